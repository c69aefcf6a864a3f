// "Login to the container, or running a command inside it, via docker exec"
import { assert, assertEquals } from "@std/assert";
import { startContainer } from "../support/container.ts";
import { typed } from "../support/reader.ts";
import { Terminal } from "../support/terminal.ts";

Deno.test("docker exec, with the ID that docker ps shows", async (test) => {
  await using container = await startContainer([], { options: ["-e", "MY_NAME=Apachai"] });
  await container.booted();
  const { stdout } = await typed("docker ps");
  const id = stdout.split("\n").find((row) => row.endsWith(container.name))?.split(" ")[0];
  assert(id, stdout);

  await test.step("runs a command", async () => {
    assertEquals(await typed(`docker exec ${id} echo hello world`), {
      status: 0,
      stdout: "hello world\n",
      stderr: "",
    });
  });
  await test.step("opens a bash session on a terminal", async () => {
    await using terminal = new Terminal(`docker exec -t -i ${id} bash -l`);
    await terminal.shows("# ");
    assertEquals(await terminal.answer("test -t 0 && echo $MY_NAME"), "Apachai");
    await terminal.type("exit 5\n");
    assertEquals(await terminal.status(), 5);
    assert(!terminal.screen.includes("job control"), terminal.screen);
  });
  await test.step("leaves no zombie behind", async () => {
    await container.sh("while ps -eo stat= | grep -q ^Z; do sleep 0.05; done");
  });
});
