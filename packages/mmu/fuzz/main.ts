// The long form of test/fuzz.test.ts: `node --conditions=@tsvm/source fuzz/main.ts [seconds] [first seed]`. Ends with the
// seed that failed, which then goes into the test.
import { FUZZ_CASES } from "./cases.ts";

const [seconds = "60", first = "0"] = process.argv.slice(2);
const end = Date.now() + Number(seconds) * 1000;
let seed = Number(first);
while (Date.now() < end) {
  for (const [name, run] of Object.entries(FUZZ_CASES)) {
    try {
      run(seed);
    } catch (error) {
      console.error(`${name}, seed ${seed}`);
      throw error;
    }
  }
  seed++;
}
console.log(`${seed - Number(first)} seeds from ${first} on, ${Object.keys(FUZZ_CASES).join(", ")}: nothing found`);
