// Make an image from Node: node examples/generate.mjs PROMPT OUTPUT
// execFileSync starts the program without a shell, so no character of the prompt can be taken for a command.
// In TypeScript it is the same; the parameters are strings.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("../skills/gpt-image-2/scripts/gpt_image2.py", import.meta.url));

export function generate(prompt, output) {
  const stdout = execFileSync(
    process.env.PYTHON ?? "python3",
    [script, "generate", "-o", output, "--quality", "low", "--", prompt],
    { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
  );
  return stdout.match(/^Saved: (.+) \(\d+ KB\)$/m)[1];
}

const [prompt, output] = process.argv.slice(2);
if (output === undefined) {
  console.error("usage: node examples/generate.mjs PROMPT OUTPUT");
  process.exitCode = 2;
} else {
  try {
    console.log(generate(prompt, output));
  } catch (error) {
    process.exitCode = error.status ?? 1;
  }
}
