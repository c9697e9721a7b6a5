// Standard input: a JSON list of {width, height, data (base64 of RGBA), factor} or {..., size, box}. Standard output: the pictures that pillow.js makes of them.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { reduce, resize } = await import(pathToFileURL(process.argv[2]));
const answers = JSON.parse(readFileSync(0, "utf8")).map(({ width, height, data, factor, size, box }) => {
  const picture = { width, height, data: new Uint8ClampedArray(Buffer.from(data, "base64")) };
  const made = factor ? reduce(picture, factor) : resize(picture, size, box);
  return { width: made.width, height: made.height, data: Buffer.from(made.data).toString("base64") };
});
console.log(JSON.stringify(answers));
