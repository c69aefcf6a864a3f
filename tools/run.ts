// Runs a command in a container of the image, under my_init. Run by `make run`.
// Afterwards: everything that was missing is there and up to date, and the container is gone again.

import $ from "@david/dax";
import { buildImage } from "./image.ts";
import { runTool } from "./project.ts";

await runTool(async () => {
  const image = await buildImage();
  const isTerminal = Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
  const options = ["--rm", ...(isTerminal ? ["--interactive", "--tty"] : [])];
  const command = Deno.args.length > 0 ? Deno.args : ["ls", "/"];
  const { code } = await $`docker run ${options} ${image} /sbin/my_init -- ${command}`.noThrow();
  Deno.exit(code);
});
