import { assert, assertEquals } from "@std/assert";
import { DockerTerminal } from "../support/docker_terminal.ts";
import { CTRL_C, CTRL_Z } from "../support/namespace.ts";

Deno.test("docker run -it … my_init -- bash -l has job control, Ctrl-C, Ctrl-Z and the window's size", async () => {
  await using terminal = new DockerTerminal(
    ["my_init", "--skip-startup-files", "--", "bash", "-l"],
    33,
    99,
  );
  await terminal.shows("# ");
  await terminal.type("echo size=$(stty size)\n");
  await terminal.shows("size=33 99");
  await terminal.type("sh -c 'echo be''gun; exec sleep 1000'\n");
  await terminal.shows("begun");
  await terminal.type(CTRL_Z);
  await terminal.shows("Stopped");
  await terminal.type("fg\n");
  await terminal.shows("fg\r\nsh -c");
  await terminal.type(CTRL_C);
  await terminal.type("echo status=$?\n");
  await terminal.shows("status=130");
  await terminal.type("exit 4\n");
  assertEquals(await terminal.status(), 4);
  assert(!terminal.screen.includes("no job control"), terminal.screen);
});

Deno.test("Ctrl-C on a command of docker run -it ends with the command's status: 130 for a shell loop", async () => {
  const loop = "echo ready; while :; do sleep 0.05; done";
  await using terminal = new DockerTerminal(
    ["my_init", "--skip-startup-files", "--", "sh", "-c", loop],
    24,
    80,
  );
  await terminal.shows("\nready\r\n");
  await terminal.type(CTRL_C);
  assertEquals(await terminal.status(), 130);
});
