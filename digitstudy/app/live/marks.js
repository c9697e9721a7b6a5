// The answer drawn over the picture.

const COLOUR = { sure: "#3ddc97", unsure: "#ffc857" };

/** Draws a reading of a picture of `size` [width, height] onto `canvas`, which lies over it and shows it whole. */
export function drawMarks(canvas, reading, size, mirrored = false) {
  const { clientWidth, clientHeight } = canvas;
  const density = window.devicePixelRatio || 1;
  Object.assign(canvas, { width: Math.round(clientWidth * density), height: Math.round(clientHeight * density) });
  if (!reading) return;
  const pen = canvas.getContext("2d");
  pen.scale(density, density);
  const scale = Math.min(clientWidth / size[0], clientHeight / size[1]);
  const [left, top] = [(clientWidth - size[0] * scale) / 2, (clientHeight - size[1] * scale) / 2];
  const place = ([x, y, w, h]) => [left + (mirrored ? size[0] - x - w : x) * scale, top + y * scale, w * scale, h * scale];

  const colour = isSure(reading) ? COLOUR.sure : COLOUR.unsure;
  pen.strokeStyle = colour;
  pen.lineWidth = 1;
  pen.globalAlpha = 0.6;
  for (const box of reading.digitBoxes) pen.strokeRect(...place(box));
  pen.globalAlpha = 1;
  pen.lineWidth = 3;
  pen.setLineDash(isSure(reading) ? [] : [8, 6]);
  const [x, y, w, h] = place(reading.box);
  pen.strokeRect(x, y, w, h);

  const text = `${reading.digits}  ${percent(reading.confidence)}`;
  pen.font = "600 20px system-ui, sans-serif";
  const wide = pen.measureText(text).width + 16;
  const at = [Math.max(0, Math.min(x - 1.5, clientWidth - wide)), y > 34 ? y - 32 : Math.min(y + h + 4, clientHeight - 30)];
  pen.fillStyle = colour;
  pen.fillRect(...at, wide, 30);
  pen.fillStyle = "#06281c";
  pen.textBaseline = "middle";
  pen.fillText(text, at[0] + 8, at[1] + 16);
}

/** Whether an answer is more likely right than wrong. */
export const isSure = (reading) => reading.confidence >= 0.5;

export const percent = (share) => `${Math.min(Math.floor(share * 100), 99)} %`; // it is never wholly sure
