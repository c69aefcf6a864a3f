// Runs a command in a container of the image, under my_init. Run by `make run`.
// Afterwards: everything that was missing is there and up to date, and the container is removed.

import $ from "@david/dax";
import { buildImage } from "./image.ts";
import { readCommandLine, runTool } from "./project.ts";

const usage = `Usage: make run [CMD="COMMAND..."]

Runs COMMAND, or \`ls /\`, under my_init in a new container of the image. What is missing
is fetched and built. If COMMAND fails, make names its status, and its own one is 2.
`;

await runTool(async () => {
  const { words } = readCommandLine(usage, { words: "command" });
  const image = await buildImage();
  const isTerminal = Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
  const options = ["--rm", ...(isTerminal ? ["--interactive", "--tty"] : [])];
  const command = words.length > 0 ? words : ["ls", "/"];
  const { code } = await $`docker run ${options} ${image} /sbin/my_init -- ${command}`.noThrow();
  Deno.exit(code);
});
