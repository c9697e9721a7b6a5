// Brings the model and its runtime, with progress, and starts the worker that reads.

import { DOWNLOADS } from "./constants.js";

const [GLUE, RUNTIME, MODEL] = ["ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm", "reader.onnx"];

/** Something that the person at the page can put right; the message says how. */
export class Trouble extends Error {}

const missing = {
  [MODEL]: "The reader's model is missing here: install digitstudy again, or build the site again.",
  [RUNTIME]: "The runtime that the reader needs is missing here: build the site again where npm can be reached.",
};
missing[GLUE] = missing[RUNTIME];

async function download(name, onBytes) {
  const answer = await fetch(new URL(name, import.meta.url)).catch(() => {
    throw new Trouble("The reader could not be loaded: check the connection, then load this page again.");
  });
  if (!answer.ok) throw new Trouble(missing[name]);
  const chunks = [];
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    onBytes(value.length);
  }
  return new Blob(chunks).arrayBuffer();
}

/**
 * A reader: `await read(picture)` is a reading or null for no number; `await read(picture, frame)` takes the pictures 0, 1, 2, … for frames of a camera.
 * `onProgress` is told the bytes that are here and those that there will be.
 */
export async function startReader(onProgress = () => {}) {
  if (typeof WebAssembly !== "object") {
    throw new Trouble("This browser has WebAssembly switched off, which the reader needs: switch it on, or use another browser.");
  }
  const whole = Object.values(DOWNLOADS).reduce((a, b) => a + b);
  let here = 0;
  const onBytes = (count) => onProgress((here += count), whole);
  const [, runtime, model] = await Promise.all([GLUE, RUNTIME, MODEL].map((name) => download(name, onBytes)));

  // The worker begins as a blob of one line, because only so it is under this page's content security policy.
  const line = `import ${JSON.stringify(new URL("worker.js", import.meta.url))};`;
  const worker = new Worker(URL.createObjectURL(new Blob([line], { type: "text/javascript" })), { type: "module" });
  const waiting = new Map();
  let last = 0;
  function ask(question, handOver) {
    return new Promise((resolve, reject) => {
      waiting.set(++last, { resolve, reject });
      worker.postMessage({ id: last, ...question }, handOver);
    });
  }
  worker.onmessage = ({ data: { id, reading, error } }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error) reject(new Trouble(`The reader failed (${error}): load this page again, or use another browser.`));
    else resolve(reading);
  };
  worker.onerror = () => {
    for (const { reject } of waiting.values()) reject(new Trouble("The reader could not be started: use a current Firefox, Chrome, Edge or Safari."));
    waiting.clear();
  };
  await ask({ files: { runtime, model } }, [runtime, model]);
  return (picture, frame) => ask({ picture, frame }, [picture.data.buffer]);
}
