// digitstudy/reader.py in the browser: the same functions under the same names, in the same order. Its constants come from Python, in constants.js.
//
// A digit is {box: [cx, cy, w, h], objectness, logits}; a number is a list of digits in reading order.

import { RETRIES, CROP_WEIGHT, ANSWERS, END_MARGIN, CALIBRATION, CELL, CROP_MARGIN, CROP_SIDE, CERTAIN, REDUCE, COARSE_REDUCE, MIN_OBJECTNESS, LEVEL_TOLERANCE, LOG_SIZE, MARGIN, REJECT, COARSE_SIDES, SMALL, TALL, MAX_HEIGHT, MAX_WIDTH, REJECT_MEAN } from "./constants.js";
import { reduce, resize } from "./pillow.js";

const clip = (x, least, most) => Math.min(Math.max(x, least), most);
const sum = (list) => list.reduce((a, b) => a + b, 0);
const span = (list) => Math.max(...list) - Math.min(...list);
const range = (n) => Array.from({ length: n }, (_, k) => k);

/** The first entry whose key is highest. */
function highest(list, key) {
  let [best, top] = [null, -Infinity];
  for (const entry of list) {
    const value = key(entry);
    if (value > top) [best, top] = [entry, value];
  }
  return best;
}

/** A rectangle (left, top, right, bottom) of a picture, resized to (width, height): floats [3, height, width], 0 to 255. */
export function cropResized(picture, box, size) {
  const [left, top, right, bottom] = box;
  const [width, height] = size;
  const [across, down] = [width / (right - left), height / (bottom - top)];
  const [x, y] = [clip(left, 0, picture.width - 1), clip(top, 0, picture.height - 1)];
  const inside = [x, y, Math.max(Math.min(right, picture.width), x + 1), Math.max(Math.min(bottom, picture.height), y + 1)];
  let [x0, x1] = [inside[0], inside[2]].map((x) => clip(Math.floor((x - left) * across + 0.5), 0, width));
  let [y0, y1] = [inside[1], inside[3]].map((y) => clip(Math.floor((y - top) * down + 0.5), 0, height));
  [x0, y0] = [Math.min(x0, width - 1), Math.min(y0, height - 1)];
  [x1, y1] = [Math.max(x1, x0 + 1), Math.max(y1, y0 + 1)];
  const seen = resize(picture, [x1 - x0, y1 - y0], inside);
  const out = new Float32Array(3 * width * height);
  for (let row = 0, to = 0; row < height; row++) {
    const line = (clip(row, y0, y1 - 1) - y0) * seen.width;
    for (let column = 0; column < width; column++, to++) {
      const at = (line + clip(column, x0, x1 - 1) - x0) * 4;
      for (let channel = 0; channel < 3; channel++) out[channel * width * height + to] = seen.data[at + channel];
    }
  }
  return out;
}

/** The digits that a map of cells, [15, height, width], speaks of, the surest first. */
export function decodeDigits({ data, width, height }, least, most = 64) {
  const area = width * height;
  const threshold = Math.log(least / (1 - least));
  const tops = [];
  for (let row = 0, at = 0; row < height; row++) {
    for (let column = 0; column < width; column++, at++) {
      if (data[at] > threshold && isHighest(data, width, height, row, column)) tops.push(at);
    }
  }
  tops.sort((a, b) => data[b] - data[a]);
  const kept = [];
  for (const at of tops.slice(0, most)) {
    const said = range(15).map((k) => data[k * area + at]);
    const [column, row] = [at % width, Math.floor(at / width)];
    const box = [(said[1] + column + 0.5) * CELL, (said[2] + row + 0.5) * CELL, ...said.slice(3, 5).map((s) => Math.exp(clip(s, -6, 6) + LOG_SIZE))];
    if (kept.every((other) => apart(box, other.box))) kept.push({ box, objectness: 1 / (1 + Math.exp(-said[0])), logits: said.slice(5) });
  }
  return kept;
}

function isHighest(data, width, height, row, column) {
  for (let y = Math.max(row - 1, 0); y <= Math.min(row + 1, height - 1); y++) {
    for (let x = Math.max(column - 1, 0); x <= Math.min(column + 1, width - 1); x++) {
      if (data[y * width + x] > data[row * width + column]) return false;
    }
  }
  return true;
}

function apart(a, b) {
  const across = Math.abs(a[0] - b[0]) / Math.max(Math.min(a[2], b[2]), 0.35 * a[3]);
  const down = Math.abs(a[1] - b[1]) / Math.min(a[3], b[3]);
  return Math.max(across, down) > 0.5;
}

/** Which digits belong together: lists of indices, each in reading order. */
export function groupDigits(digits) {
  const owner = range(digits.length);
  const root = (k) => (owner[k] === k ? k : root(owner[k]));
  const join = (together, some) => {
    for (const [i, a] of some.entries()) {
      for (const b of some.slice(i + 1)) if (together(digits[a].box, digits[b].box)) owner[root(b)] = root(a);
    }
  };
  join(beside, range(digits.length));
  const roots = range(digits.length).map(root);
  join(above, range(digits.length).filter((k) => roots.filter((other) => other === roots[k]).length === 1)); // lines of digits stay apart
  const groups = new Map();
  for (let k = 0; k < digits.length; k++) groups.set(root(k), [...(groups.get(root(k)) ?? []), k]);
  return [...groups.values()].map((group) => readingOrder(digits, group));
}

const gaps = (a, b) => [0, 1].map((axis) => Math.abs(a[axis] - b[axis]) - (a[axis + 2] + b[axis + 2]) / 2); // across and down; negative: they overlap

const ofASize = (a, b) => Math.min(a[3], b[3]) >= 0.55 * Math.max(a[3], b[3]);

function beside(a, b) {
  const [[across, down], large] = [gaps(a, b), Math.max(a[3], b[3])];
  return ofASize(a, b) && across < large && down < -0.35 * large;
}

function above(a, b) {
  const [across, down] = gaps(a, b);
  return ofASize(a, b) && across < -0.3 * Math.min(a[2], b[2]) && down < 0.8 * Math.max(a[3], b[3]);
}

/** A number's digits as one reads them. */
export function readingOrder(digits, group) {
  const [x, y] = [0, 1].map((axis) => span(group.map((k) => digits[k].box[axis])));
  const axis = x >= y ? 0 : 1;
  return [...group].sort((a, b) => digits[a].box[axis] - digits[b].box[axis]);
}

/** The box (left, top, right, bottom) around all digits. */
export function around(digits) {
  const boxes = digits.map(({ box: [cx, cy, w, h] }) => [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]);
  return [0, 1, 2, 3].map((side) => (side < 2 ? Math.min : Math.max)(...boxes.map((box) => box[side])));
}

const smaller = (picture, enough) => reduce(picture, Math.max(1, Math.floor(Math.max(picture.width, picture.height) / enough)));

const sixteens = (x) => Math.max(16, 16 * Math.ceil(x / 16 - 1e-9));

function scaled(digit, [x, y], [left, top] = [0, 0]) {
  const [cx, cy, w, h] = digit.box;
  return { ...digit, box: [cx * x + left, cy * y + top, w * x, h * y] };
}

/** The digits in a part of the picture, in the picture's pixels. */
export async function look(detect, picture, box, size, near = false) {
  const digits = decodeDigits(await detect(cropResized(picture, box, size), size, near), MIN_OBJECTNESS);
  const scale = [(box[2] - box[0]) / size[0], (box[3] - box[1]) / size[1]];
  return digits.map((digit) => scaled(digit, scale, box));
}

/** The digits in the whole picture, its longer side brought to `side` pixels. */
export function detectCoarse(detect, picture, side) {
  const scale = side / Math.max(picture.width, picture.height);
  const size = [sixteens(picture.width * scale), sixteens(picture.height * scale)];
  return look(detect, picture, [0, 0, size[0] / scale, size[1] / scale], size);
}

/** The digits around a number, from near by, so that they are `tall` pixels high, with `beside` pixels at its ends. */
export function detectFine(detect, picture, number, tall, beside = MARGIN) {
  const [left, top, right, bottom] = around(number);
  const scale = Math.min(tall / height(number), (MAX_WIDTH - 2 * beside) / (right - left), (MAX_HEIGHT - 2 * MARGIN) / (bottom - top));
  const size = [sixteens((right - left) * scale + 2 * beside), sixteens((bottom - top) * scale + 2 * MARGIN)];
  const [across, down] = [size[0] / scale / 2, size[1] / scale / 2];
  const [x, y] = [(left + right) / 2, (top + bottom) / 2];
  return look(detect, picture, [x - across, y - down, x + across, y + down], size, true);
}

/** Intersection over union of two boxes by their corners. */
export function overlap(a, b) {
  const area = ([left, top, right, bottom]) => (right - left) * (bottom - top);
  const sides = [0, 1].map((axis) => Math.max(Math.min(a[axis + 2], b[axis + 2]) - Math.max(a[axis], b[axis]), 0));
  const both = sides[0] * sides[1];
  return both / Math.max(area(a) + area(b) - both, 1e-9);
}

const height = (number) => sum(number.map((digit) => digit.box[3])) / number.length;

const prominence = (number) => sum(number.map((digit) => digit.objectness * Math.sqrt(digit.box[3])));

/** Logarithms of probabilities. */
export function logSoftmax(logits) {
  const top = Math.max(...logits);
  const rest = Math.log(sum(logits.map((x) => Math.exp(x - top))));
  return logits.map((x) => x - top - rest);
}

/** Of what is seen, the number that was there. */
function again(near, was) {
  const number = highest(groupDigits(near).map((group) => group.map((k) => near[k])), (g) => overlap(around(g), was));
  return number && overlap(around(number), was) > 0 ? number : null;
}

/** The log odds that every digit is there and right, as the detector says. */
export function logOdds(number) {
  const logP = Math.min(sum(number.map((digit) => Math.max(...logSoftmax(digit.logits)) + Math.log(digit.objectness))), -1e-9);
  return logP - Math.log(-Math.expm1(logP));
}

/** The mean of several looks at one number: of those that see as many digits as the surest one does. */
export function mergePasses(looks) {
  const best = highest(looks, logOdds);
  const same = looks.filter((look) => look.length === best.length);
  const mean = (lists) => lists[0].map((_, k) => sum(lists.map((list) => list[k])) / lists.length);
  return best.map((_, k) => ({
    box: mean(same.map((look) => look[k].box)),
    objectness: mean(same.map((look) => [look[k].objectness]))[0],
    logits: mean(same.map((look) => logSoftmax(look[k].logits))),
  }));
}

/** The same number, each digit that is not beyond doubt seen alone, always as large; without those that turn out to be none, and null if that is so of most. */
export async function classifyDigits(classify, picture, number) {
  const told = number.map((digit) => ({ ...digit, logits: logSoftmax(digit.logits), there: 1 }));
  const unsure = told.filter(({ logits }) => Math.exp(Math.max(...logits)) < CERTAIN);
  const seen = new Float32Array(unsure.length * 3 * CROP_SIDE ** 2);
  for (const [k, { box: [cx, cy, w, h] }] of unsure.entries()) {
    const reach = (CROP_MARGIN / 2) * Math.max(w, h);
    seen.set(cropResized(picture, [cx - reach, cy - reach, cx + reach, cy + reach], [CROP_SIDE, CROP_SIDE]), k * 3 * CROP_SIDE ** 2);
  }
  const said = unsure.length ? await classify(seen, unsure.length) : [];
  const answers = said.length / unsure.length;
  for (const [k, digit] of unsure.entries()) {
    const all = logSoftmax([...said.slice(answers * k, answers * (k + 1))]).slice(0, ANSWERS);
    const alone = logSoftmax(all);
    digit.logits = digit.logits.map((x, j) => (x + CROP_WEIGHT * alone[j]) / (1 + CROP_WEIGHT));
    digit.there = sum(all.map(Math.exp));
  }
  if (sum(told.map(({ there }) => there)) / told.length <= 1 - REJECT_MEAN) return null;
  return told.filter(({ there }) => there > 1 - REJECT).map(({ box, objectness, logits, there }) => ({ box, objectness: objectness * there, logits }));
}

/** Up to `most` numbers in a picture after two looks, or three, the most prominent first; `tall` are the digits' heights in the looks from near by. */
export async function findNumbers({ detect, classify }, picture, most = 1, tall = TALL) {
  let far = [];
  const small = smaller(picture, COARSE_REDUCE);
  for (const side of COARSE_SIDES) {
    const digits = (await detectCoarse(detect, small, side)).map((digit) => scaled(digit, [picture.width / small.width, picture.height / small.height]));
    for (const group of groupDigits(digits)) {
      const number = group.map((k) => digits[k]);
      const known = far.filter((other) => overlap(around(number), around(other)) > 0.1);
      if (known.every((other) => prominence(number) > prominence(other))) far = [...far.filter((other) => !known.includes(other)), number];
    }
  }
  const found = [];
  far.sort((a, b) => prominence(b) - prominence(a));
  for (let number of far.slice(0, most + RETRIES)) {
    if (found.length === most) break;
    const looks = [];
    let beside = (height(number) * COARSE_SIDES.at(-1)) / Math.max(picture.width, picture.height) < SMALL ? END_MARGIN : MARGIN;
    for (const pixels of tall) {
      if (looks.length && height(number) > TALL[0] && logOdds(number) > 0) break; // the next look would show less of it
      let near;
      for (let time = 0; time < 3; time++) {
        const was = around(number);
        near = again(await detectFine(detect, picture, number, pixels, beside), was);
        if (!near) break;
        number = near;
        if (overlap(around(number), was) > 0.75) break;
      }
      if (near) looks.push(near);
      beside = MARGIN;
    }
    if (looks.length) number = mergePasses(looks);
    if (classify && looks.length) number = await classifyDigits(classify, picture, number);
    if (number) found.push(number);
  }
  return found;
}

/** The box (left, top, right, bottom) of a number: around all its digits, or, where they stand between two lines but for noise, between these. */
export function frameOf(number) {
  const [left, top, right, bottom] = around(number);
  const edges = [-1, 1].map((side) => number.map(({ box: [, cy, , h] }) => cy + (side * h) / 2));
  const level = Math.max(...edges.map(span)) < LEVEL_TOLERANCE * height(number);
  return level ? [left, sum(edges[0]) / number.length, right, sum(edges[1]) / number.length] : [left, top, right, bottom];
}

/** The answer that a number is: digits, box (left, top, width, height), confidence, and each digit's confidence, log-probabilities and box. */
export function readingOf(number, calibration = CALIBRATION) {
  const logP = number.map((digit) => logSoftmax(digit.logits.map((x) => x / calibration.temperature)));
  const [left, top, right, bottom] = frameOf(number);
  const odds = calibration.slope * logOdds(number) + calibration.shift;
  return {
    digits: logP.map((p) => p.indexOf(Math.max(...p))).join(""),
    box: [left, top, right - left, bottom - top],
    confidence: 1 / (1 + Math.exp(-Math.max(odds, -700))),
    digitConfidence: logP.map((p) => Math.exp(Math.max(...p))),
    digitBoxes: number.map(({ box: [cx, cy, w, h] }) => [cx - w / 2, cy - h / 2, w, h]),
    logP,
  };
}

/** The answer to a picture of which a smaller one was looked at; null for no number. */
function answer(number, picture, small) {
  const scale = [picture.width / small.width, picture.height / small.height];
  const reading = number && readingOf(number.map((digit) => scaled(digit, scale)));
  return reading && reading.confidence >= CALIBRATION.least ? reading : null;
}

/** The most prominent number in a picture, in its own pixels; null for no number. */
export async function read(networks, picture) {
  const small = smaller(picture, REDUCE);
  const [number] = await findNumbers(networks, small);
  return answer(number, picture, small);
}

// What follows has no twin in Python: a camera's frames.

const WHOLE_EVERY = 3; // frames: how often the whole picture is looked at though the last number is still there

/**
 * `await follower.read(picture)` reads a frame in less time: it looks where the number was in the frame before, and only once. The heights at
 * which Python looks take turns, for the answers of several frames are weighed together anyway.
 */
export class Follower {
  number = null;
  frame = 0;

  constructor(networks) {
    this.networks = networks;
  }

  async read(picture) {
    const small = smaller(picture, REDUCE);
    const tall = TALL[this.frame % TALL.length];
    const was = this.frame++ % WHOLE_EVERY ? this.number : null;
    this.number = (was && (await this.stillThere(small, was, tall))) ?? (await findNumbers(this.networks, small, 1, [tall]))[0];
    return answer(this.number, picture, small);
  }

  async stillThere(picture, was, tall) {
    const { detect, classify } = this.networks;
    const number = again(await detectFine(detect, picture, was, tall), around(was));
    if (!number || overlap(around(number), around(was)) <= 0.75) return null;
    return classify ? classifyDigits(classify, picture, number) : number;
  }
}
