// The reader beside the page, so that the page never waits for it. It is handed the model and the runtime and fetches nothing.

import { Follower, read } from "./reader.js";

let detect; // floats [3, height, width], 0 to 255, their [width, height], and whether they are seen from near by -> the map of cells
let follower; // of the camera's frames

async function load({ runtime, model }) {
  const ort = await import("./ort.wasm.bundle.min.mjs");
  Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary: runtime });
  const session = await ort.InferenceSession.create(new Uint8Array(model));
  const [[image, which], [output]] = [session.inputNames, session.outputNames];
  detect = async (pixels, [width, height], near) => {
    const asked = { [image]: new ort.Tensor("float32", pixels, [1, 3, height, width]) };
    if (which) asked[which] = new ort.Tensor("bool", [near], []); // two detectors are in one file
    const said = await session.run(asked);
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
