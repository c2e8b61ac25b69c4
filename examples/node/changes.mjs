// Reads what changed since the last run: changes.mjs CURSOR FILE
import { execFileSync } from "node:child_process";
import { createReadStream, existsSync, rmSync } from "node:fs";
import { createInterface } from "node:readline";

// Replace this. It must succeed if it is called twice for one change.
async function handle(change) {
  console.log(change.state, change.recipient, change.reason);
}

const [cursor, path] = process.argv.slice(2);
if (!path) {
  console.error("usage: changes.mjs CURSOR FILE");
  process.exit(2);
}
// If the file exists, the last run did not finish it.
if (!existsSync(path)) {
  execFileSync("bouncetail", ["export", "--format", "ndjson", "--state", "all", "--cursor", cursor, "-o", path], { stdio: "inherit" });
}
for await (const line of createInterface({ input: createReadStream(path) })) {
  await handle(JSON.parse(line));
}
rmSync(path);
