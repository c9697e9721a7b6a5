// The reader beside the page, so that the page never waits for it. It is handed the model and the runtime and fetches nothing.

import { Follower, read } from "./reader.js";

let detect; // floats [3, height, width], 0 to 255, and their [width, height] -> the map of cells
let follower; // of the camera's frames

async function load({ runtime, model }) {
  const ort = await import("./ort.wasm.bundle.min.mjs");
  Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary: runtime });
  const session = await ort.InferenceSession.create(new Uint8Array(model));
  const [input, output] = [session.inputNames[0], session.outputNames[0]];
  detect = async (pixels, [width, height]) => {
    const said = await session.run({ [input]: new ort.Tensor("float32", pixels, [1, 3, height, width]) });
    return { data: said[output].data, width: said[output].dims[3], height: said[output].dims[2] };
  };
}

onmessage = async ({ data: { id, files, picture, frame } }) => {
  try {
    if (files) await load(files);
    if (frame === 0) follower = new Follower(detect);
    postMessage({ id, reading: picture && (await (frame === undefined ? read(detect, picture) : follower.read(picture))) });
  } catch (error) {
    postMessage({ id, error: String(error?.message ?? error) });
  }
};
