// Pixels from whatever shows a picture: {width, height, data}, as the reader takes them.

import { Trouble } from "./loader.js";

const MOST_PIXELS = 2 ** 24; // of a canvas that every browser has

const canvas = document.createElement("canvas");
const pen = canvas.getContext("2d", { willReadFrequently: true });

/** What a transparent picture is laid on: white, or black where its ink is light; nothing where all is opaque. */
function groundOf(data) {
  let [clear, cover, ink] = [false, 0, 0];
  for (let k = 0; k < data.length; k += 4) {
    const alpha = data[k + 3];
    clear ||= alpha < 255;
    cover += alpha;
    ink += alpha * (0.299 * data[k] + 0.587 * data[k + 1] + 0.114 * data[k + 2]);
  }
  return clear ? (ink > 127.5 * cover ? "black" : "white") : null;
}

/** What a video, a bitmap or a canvas shows; what is transparent is laid on the ground that contrasts with its ink. */
export function pixelsOf(source, width, height) {
  Object.assign(canvas, { width, height });
  pen.globalCompositeOperation = "source-over";
  pen.drawImage(source, 0, 0, width, height);
  const opaque = pen.getImageData(0, 0, width, height).data;
  const ground = groundOf(opaque);
  if (!ground) return { width, height, data: opaque };
  pen.globalCompositeOperation = "destination-over";
  pen.fillStyle = ground;
  pen.fillRect(0, 0, width, height);
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
