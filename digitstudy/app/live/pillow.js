// Pillow's reduce() and resize(BILINEAR, box=...) to the last bit, so that the reader sees the same pixels here as in Python.
//
// A picture is {width, height, data}: four bytes a pixel, as a canvas gives them; the fourth is never looked at.

const BITS = 22; // of a weight after the point, as in Pillow

export function newPicture(width, height) {
  return { width, height, data: new Uint8ClampedArray(width * height * 4) };
}

/** Every square of `factor` x `factor` pixels made one, its mean; what is left over at the right and below makes smaller ones. */
export function reduce(picture, factor) {
  if (factor === 1) return picture;
  const { width, height, data } = picture;
  const small = newPicture(Math.ceil(width / factor), Math.ceil(height / factor));
  for (let y = 0, to = 0; y < height; y += factor) {
    const bottom = Math.min(y + factor, height);
    for (let x = 0; x < width; x += factor, to += 4) {
      const right = Math.min(x + factor, width);
      const count = (bottom - y) * (right - x);
      const share = Math.floor(Math.fround(2 ** 32 / (256 * count))); // Pillow divides by multiplying
      let [r, g, b] = [count >> 1, count >> 1, count >> 1];
      for (let row = y; row < bottom; row++) {
        for (let at = (row * width + x) * 4, end = (row * width + right) * 4; at < end; at += 4) {
          r += data[at];
          g += data[at + 1];
          b += data[at + 2];
        }
      }
      small.data[to] = Math.imul(r, share) >>> 24;
      small.data[to + 1] = Math.imul(g, share) >>> 24;
      small.data[to + 2] = Math.imul(b, share) >>> 24;
    }
  }
  return small;
}

/** For each of `size` pixels: the first one it is made of, and the weights of that and the following ones. */
function weights(from, to, whole, size) {
  const scale = Math.fround(to - from) / size;
  const reach = Math.max(scale, 1);
  const each = 1 / reach; // as in Pillow: it multiplies
  return Array.from({ length: size }, (_, k) => {
    const centre = from + (k + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - reach + 0.5), 0);
    const count = Math.min(Math.trunc(centre + reach + 0.5), whole) - first;
    const weight = Array.from({ length: count }, (_, j) => Math.max(1 - Math.abs((first + j - centre + 0.5) * each), 0));
    const sum = weight.reduce((a, b) => a + b, 0);
    return { first, weight: Int32Array.from(weight, (w) => Math.trunc(0.5 + (w / sum) * 2 ** BITS)) };
  });
}

/** A picture's rows, each brought to as many pixels as `made` has entries. */
function across({ width, height, data }, made) {
  const out = newPicture(made.length, height);
  pass(data, 4, width * 4, height, made, out.data, 4, made.length * 4);
  return out;
}

/** A picture's columns, each brought to as many pixels as `made` has entries. */
function down({ width, data }, made) {
  const out = newPicture(width, made.length);
  pass(data, width * 4, 4, width, made, out.data, width * 4, 4);
  return out;
}

/** Of `lines` lines of pixels each: lines begin `line` bytes apart and the pixels in them `step` bytes. */
function pass(data, step, line, lines, made, out, outStep, outLine) {
  made.forEach(({ first, weight }, k) => {
    for (let l = 0; l < lines; l++) {
      let at = l * line + first * step;
      let r = 1 << (BITS - 1);
      let [g, b] = [r, r];
      for (let j = 0; j < weight.length; j++, at += step) {
        r += Math.imul(data[at], weight[j]); // of whole numbers, and so is their sum: fast
        g += Math.imul(data[at + 1], weight[j]);
        b += Math.imul(data[at + 2], weight[j]);
      }
      const to = l * outLine + k * outStep;
      out[to] = r >> BITS; // a clamped array: 255 at most
      out[to + 1] = g >> BITS;
      out[to + 2] = b >> BITS;
    }
  });
}

/** The part of a picture that `rows` and `columns` are made of; they then count from its corner. */
function needed({ width, data }, columns, rows) {
  const [[left, right], [top, bottom]] = [columns, rows].map((made) => [made[0].first, made.at(-1).first + made.at(-1).weight.length]);
  const part = newPicture(right - left, bottom - top);
  for (let y = top; y < bottom; y++) part.data.set(data.subarray((y * width + left) * 4, (y * width + right) * 4), (y - top) * part.width * 4);
  for (const column of columns) column.first -= left;
  for (const row of rows) row.first -= top;
  return part;
}

/** The rectangle (left, top, right, bottom) of a picture, which it must not leave, at the size (width, height). */
export function resize(picture, [width, height], box) {
  const [left, top, right, bottom] = box.map(Math.fround);
  const columns = weights(left, right, picture.width, width);
  const rows = weights(top, bottom, picture.height, height);
  const part = needed(picture, columns, rows);
  const downFirst = picture.height - height > Math.max(0, 2 * (picture.width - width)); // as Pillow 13 does
  return downFirst ? across(down(part, rows), columns) : down(across(part, columns), rows);
}
