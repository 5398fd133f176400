// plainjob as its own worker uses it: mark the next job as processing, read it, mark it as done.
//
// Reads "fill N" and "cycle N" on standard input, a line each, and answers the seconds it took.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder, file] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${folder}/`));
const Database = require("better-sqlite3");
const { better, defineQueue } = await import(pathToFileURL(require.resolve("plainjob")));

const quiet = { error() {}, warn() {}, info() {}, debug() {} };
const queue = defineQueue({ connection: better(new Database(file)), logger: quiet });
const TYPE = "bench";
const FILL = 10_000;

const steps = {
  fill(count) {
    for (let left = count; left > 0; left -= FILL) {
      queue.addMany(TYPE, Array(Math.min(left, FILL)).fill({ text: "write the file and say so" }));
    }
  },
  cycle(count) {
    for (let done = 0; done < count; done += 1) {
      const next = queue.getAndMarkJobAsProcessing(TYPE);
      if (!next) throw new Error("the queue ran empty");
      queue.markJobAsDone(queue.getJobById(next.id).id);
    }
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [step, count] = line.split(" ");
  const began = process.hrtime.bigint();
  steps[step](Number(count));
  console.log(Number(process.hrtime.bigint() - began) / 1e9);
}
process.exit(0);
