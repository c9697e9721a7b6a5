// Unit tests of steady.js, in the folder that LIVE names: `LIVE=… node --test steady.test.mjs`.

import assert from "node:assert/strict";
import test from "node:test";
import { pathToFileURL } from "node:url";

const { Steady } = await import(pathToFileURL(`${process.env.LIVE}/steady.js`));

function reading(digits, { confidence = 0.9, at = 0, p = 0.9 } = {}) {
  const logP = [...digits].map((digit) => Array.from({ length: 10 }, (_, d) => Math.log(d === Number(digit) ? p : (1 - p) / 9)));
  const box = [100 + at, 50, 30 * digits.length, 40];
  return { digits, confidence, box, logP, digitConfidence: logP.map(() => p), digitBoxes: logP.map((_, k) => [100 + at + 30 * k, 50, 30, 40]) };
}

/** What is said of readings that come 50 ms apart. */
function said(readings) {
  const steady = new Steady();
  return readings.map((each, k) => steady.next(each, k * 50));
}

const repeat = (what, times) => Array.from({ length: times }, () => what);

test("what is always the same is said from the second frame on, as sure as it was", () => {
  const [first, ...others] = said(repeat(reading("58"), 10));
  assert.equal(first, null);
  for (const answer of others) {
    assert.equal(answer.digits, "58");
    assert.ok(Math.abs(answer.confidence - 0.9) < 1e-9);
    assert.ok(Math.abs(answer.digitConfidence[0] - 0.9) < 1e-9);
  }
});

test("one wrong frame changes nothing but the confidence", () => {
  const answers = said([...repeat(reading("58"), 8), reading("53", { confidence: 0.7 }), reading("5", { confidence: 0.6 }), null, reading("58")]);
  assert.deepEqual(answers.slice(1).map((answer) => answer.digits), repeat("58", 11));
  assert.ok(answers[10].confidence < answers[7].confidence - 0.1);
});

test("another number at the same place is taken over within a second", () => {
  const answers = said([...repeat(reading("58"), 20), ...repeat(reading("53"), 20)]);
  assert.equal(answers[21].digits, "58");
  assert.equal(answers[39].digits, "53");
});

test("a number that is gone is no number within a second, and one false frame does not bring one", () => {
  const answers = said([...repeat(reading("58"), 20), ...repeat(null, 20)]);
  assert.equal(answers[22].digits, "58");
  assert.equal(answers[39], null);
  assert.deepEqual(said([...repeat(null, 20), reading("58"), ...repeat(null, 20)]), repeat(null, 41));
});

test("the box hardly trembles, and follows what moves", () => {
  const trembling = said(Array.from({ length: 40 }, (_, k) => reading("58", { at: k % 2 ? 1 : -1 })));
  const places = trembling.slice(20).map((answer) => answer.box[0]);
  assert.ok(Math.max(...places) - Math.min(...places) < 0.8, String(places));
  const moving = said(Array.from({ length: 40 }, (_, k) => reading("58", { at: 8 * k })));
  assert.ok(Math.abs(moving[39].box[0] - (100 + 8 * 39)) < 24, String(moving[39].box));
  const [x, y, width, height] = moving[39].digitBoxes[1];
  assert.ok(Math.abs(x + width - moving[39].box[0] - moving[39].box[2]) < 1e-6 && y === 50 && width === 30 && height === 40);
});

test("of two places the one that is seen more is said", () => {
  const answers = said(Array.from({ length: 30 }, (_, k) => (k % 4 ? reading("58") : reading("7", { at: 400 }))));
  assert.equal(answers[29].digits, "58");
});
