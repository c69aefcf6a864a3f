import { assertEquals } from "@std/assert";
import { DockerTerminal } from "../support/container.ts";
import { LOOP } from "../support/programs.ts";
import { CTRL_C, hasJobControl } from "../support/terminal.ts";

const init = ["my_init", "--skip-startup-files", "--"];

Deno.test("docker run -it … my_init -- bash -l has job control, Ctrl-C, Ctrl-Z and the window's size", async () => {
  await using terminal = new DockerTerminal([...init, "bash", "-l"], 33, 99);
  await terminal.shows("# ");
  await terminal.type("echo size=$(stty size)\n");
  await terminal.shows("size=33 99");
  await hasJobControl(terminal);
});

Deno.test("Ctrl-C on a command of docker run -it ends with the command's status: 130 for a shell loop", async () => {
  await using terminal = new DockerTerminal([...init, "sh", "-c", `echo ready; ${LOOP}`]);
  await terminal.shows("\nready\r\n");
  await terminal.type(CTRL_C);
  assertEquals(await terminal.status(), 130);
});
