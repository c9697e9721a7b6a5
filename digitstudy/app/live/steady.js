// Answers that stay the same from frame to frame: what was said of a place lately is weighed together, and its box moves smoothly.

import { overlap } from "./reader.js";

const MEMORY = 600; // milliseconds after which what was said counts 1/e
const SHOWN = 0.5; // share of the lately seen frames, weighed so, in which a number must be to be shown
const FORGOTTEN = 0.1; // share at which a place is given up
const SAME_PLACE = 0.2; // overlap of two boxes that are one place
const SLOWEST = 0.3; // part of the way to where it is now seen, that a box goes at least

const corners = ([left, top, width, height]) => [left, top, left + width, top + height];

/** What lies in one box, at the same place of another one. */
function moved([x, y, width, height], from, to) {
  const [across, down] = [to[2] / from[2], to[3] / from[3]];
  return [to[0] + (x - from[0]) * across, to[1] + (y - from[1]) * down, width * across, height * down];
}

/** One place in the pictures, and all that was said of it. */
class Place {
  constructor(reading) {
    this.box = reading.box;
    this.seen = 0; // weight of the frames with a number here
    this.all = 0; // weight of all frames since it was first seen
    this.said = []; // {weight, digits, confidence, logP} of each
  }

  fade(keep) {
    this.seen *= keep;
    this.all *= keep;
    for (const one of this.said) one.weight *= keep;
    this.said = this.said.filter((one) => one.weight > 0.01);
  }

  add({ box, digits, confidence, logP, digitBoxes }) {
    const step = Math.min(Math.max(2 - 2 * overlap(corners(box), corners(this.box)), SLOWEST), 1); // small movements are noise, large ones are not
    this.box = this.box.map((x, k) => x + step * (box[k] - x));
    this.digitBoxes = digitBoxes.map((digit) => moved(digit, box, this.box));
    this.seen += 1;
    this.said.push({ weight: 1, digits, confidence, logP });
  }

  /** The length with the most confidence behind it; at each position the digit with the best weighed mean log-probability. */
  answer() {
    const behind = new Map();
    for (const { digits, weight, confidence } of this.said) behind.set(digits.length, (behind.get(digits.length) ?? 0) + weight * confidence);
    const length = [...behind].reduce((a, b) => (b[1] > a[1] ? b : a))[0];
    const heard = this.said.filter((one) => one.digits.length === length);
    const whole = heard.reduce((sum, one) => sum + one.weight, 0);
    const logP = Array.from({ length }, (_, k) => Array.from({ length: 10 }, (_, d) => heard.reduce((sum, one) => sum + one.weight * one.logP[k][d], 0) / whole));
    const digits = logP.map((p) => p.indexOf(Math.max(...p)));
    const mass = logP.map((p) => p.reduce((sum, x) => sum + Math.exp(x), 0));
    const text = digits.join("");
    const agreeing = this.said.reduce((sum, one) => sum + (one.digits === text ? one.weight * one.confidence : 0), 0);
    return {
      digits: text,
      box: this.box,
      confidence: agreeing / this.all, // a frame that said something else, or nothing, gave it none
      digitConfidence: digits.map((digit, k) => Math.exp(logP[k][digit]) / mass[k]),
      digitBoxes: this.digitBoxes.length === length ? this.digitBoxes : [],
    };
  }
}

/** `steady.next(reading or null, now)` is the steadied reading, or null for no number. */
export class Steady {
  places = [];
  last = null;

  next(reading, now) {
    const keep = Math.exp(-(now - (this.last ?? now)) / MEMORY);
    this.last = now;
    const near = (place) => overlap(corners(place.box), corners(reading.box));
    let here = reading && this.places.filter((place) => near(place) > SAME_PLACE).sort((a, b) => near(b) - near(a))[0];
    if (reading && !here) this.places.push((here = new Place(reading)));
    for (const place of this.places) {
      place.fade(keep);
      place.all += 1;
    }
    here?.add(reading);
    this.places = this.places.filter((place) => place.seen > FORGOTTEN * place.all);
    const shown = this.places.filter((place) => place.seen >= SHOWN * place.all && place.said.length > 1); // one frame alone may be mistaken
    const best = shown.sort((a, b) => b.seen - a.seen)[0];
    return best ? best.answer() : null;
  }
}
