// Pixels from whatever shows a picture: {width, height, data}, as the reader takes them.

import { Trouble } from "./loader.js";

const MOST_PIXELS = 2 ** 24; // of a canvas that every browser has

const canvas = document.createElement("canvas");
const pen = canvas.getContext("2d", { willReadFrequently: true });

/** What a video, a bitmap or a canvas shows; what is transparent is laid on white. */
export function pixelsOf(source, width, height) {
  Object.assign(canvas, { width, height });
  pen.fillStyle = "white";
  pen.fillRect(0, 0, width, height);
  pen.drawImage(source, 0, 0, width, height);
  const { data } = pen.getImageData(0, 0, width, height);
  return { width, height, data };
}

/** A bitmap of an image file, turned as its EXIF says. One that is too large for a canvas is made smaller. */
export async function bitmapOf(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  } catch {
    throw new Trouble(`${file.name || "This"} is not a picture that this browser can open: give a JPEG, PNG, WebP or GIF.`);
  }
  const scale = Math.sqrt(MOST_PIXELS / (bitmap.width * bitmap.height));
  if (scale >= 1) return bitmap;
  const [resizeWidth, resizeHeight] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.floor(side * scale)));
  return createImageBitmap(bitmap, { resizeWidth, resizeHeight, resizeQuality: "high" });
}
