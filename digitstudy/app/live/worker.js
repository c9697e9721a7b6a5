// The reader beside the page, so that the page never waits for it. It is handed the model and the runtime and fetches nothing.

import { CROP_SIDE } from "./constants.js";
import { Follower, read } from "./reader.js";

let networks; // detect: floats [3, height, width], 0 to 255, their [width, height], and whether they are seen from near by -> the map of cells; classify: close-ups -> ten logits each
let follower; // of the camera's frames

async function load({ runtime, model }) {
  const ort = await import("./ort.wasm.bundle.min.mjs");
  Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary: runtime });
  const session = await ort.InferenceSession.create(new Uint8Array(model));
  const [[image, ...switches], [output]] = [session.inputNames, session.outputNames];
  const run = async (pixels, shape, turned) => {
    const asked = { [image]: new ort.Tensor("float32", pixels, shape) };
    for (const name of switches) asked[name] = new ort.Tensor("bool", [turned === name], []); // several networks are in one file
    return (await session.run(asked))[output];
  };
  const detect = async (pixels, [width, height], near) => {
    const said = await run(pixels, [1, 3, height, width], near ? "near" : "far");
    return { data: said.data, width: said.dims[3], height: said.dims[2] };
  };
  const classify = async (pixels, n) => (await run(pixels, [n, 3, CROP_SIDE, CROP_SIDE], "close")).data;
  networks = { detect, classify: switches.includes("close") ? classify : null };
}

onmessage = async ({ data: { id, files, picture, frame } }) => {
  try {
    if (files) await load(files);
    if (frame === 0) follower = new Follower(networks);
    postMessage({ id, reading: picture && (await (frame === undefined ? read(networks, picture) : follower.read(picture))) });
  } catch (error) {
    postMessage({ id, error: String(error?.message ?? error) });
  }
};
