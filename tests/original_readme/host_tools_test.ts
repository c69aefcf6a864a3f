// "Using docker-ssh and docker-bash": the tools for docker's host
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ensureProgram } from "../../build/packages.ts";
import { type Container, startContainer } from "../support/container.ts";
import { project } from "../support/namespace.ts";
import { until } from "../support/until.ts";
import { typed } from "../support/reader.ts";
import { Terminal } from "../support/terminal.ts";

await ensureProgram("ssh", ["openssh-client"]);

/** Installs the tools as the readme does, in another place. Disposing removes them. */
async function installed(): Promise<{ prefix: string; PATH: string } & AsyncDisposable> {
  const prefix = await Deno.makeTempDir({ prefix: "tools-" });
  const { status, stdout, stderr } = await typed(`${project}/install-tools.sh ${prefix}`);
  assertEquals(status, 0, stderr);
  assertStringIncludes(stdout, `Installed ${prefix}/bin/docker-ssh\n`);
  return {
    prefix,
    PATH: `${prefix}/bin:${Deno.env.get("PATH")}`,
    [Symbol.asyncDispose]: () => Deno.remove(prefix, { recursive: true }),
  };
}

const sshdIsUp = (container: Container) =>
  until(
    async () => (await container.exec("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/22")).status === 0,
    30,
  );

Deno.test("docker-ssh and docker-bash", async (test) => {
  await using tools = await installed();
  await using open = await startContainer(["/sbin/my_init", "--enable-insecure-key"], {
    options: ["-e", "MY_NAME=Apachai Hopachai"],
  });
  await using closed = await startContainer();
  await sshdIsUp(open);
  await closed.booted();
  const run = (line: string) => typed(line, { PATH: tools.PATH });

  for (const tool of ["docker-ssh", "docker-bash"]) {
    await test.step(`${tool} runs a command`, async () => {
      assertEquals(await run(`${tool} ${open.name} echo hello world`), {
        status: 0,
        stdout: "hello world\n",
        stderr: "",
      });
    });
    await test.step(`${tool} ends with the command's status, and gives it what is piped in (B31)`, async () => {
      assertEquals((await run(`${tool} ${open.name} 'exit 7'`)).status, 7);
      assertEquals(
        await run(`echo 'echo "$MY_NAME"; exit 3' | ${tool} ${open.name} 'bash -l'`),
        { status: 3, stdout: "Apachai Hopachai\n", stderr: "" },
      );
    });
    await test.step(`${tool} opens a bash session on a terminal`, async () => {
      await using terminal = new Terminal(`${tool} ${open.name}`, { env: { PATH: tools.PATH } });
      await terminal.shows("# ");
      assertEquals(
        await terminal.answer("test -t 0 && shopt -q login_shell && echo $MY_NAME; stty size"),
        "Apachai Hopachai\n50 200",
      );
      await terminal.type("exit 5\n");
      assertEquals(await terminal.status(), 5);
    });
    await test.step(`${tool} gives a command the terminal, where there is one`, async () => {
      await using terminal = new Terminal(`${tool} ${open.name} 'test -t 1 && echo on''e'`, {
        env: { PATH: tools.PATH },
      });
      await terminal.shows("one");
      assertEquals(await terminal.status(), 0);
    });
    await test.step(`${tool} says in one line what is wrong`, async () => {
      const fails = async (line: string, reason: string, expected = 255) => {
        const { status, stdout, stderr } = await run(line);
        assertEquals([status, stdout], [expected, ""], stderr);
        assertStringIncludes(stderr, reason);
        assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
        assert(stderr.startsWith(`${tool}: `), stderr);
      };
      await fails(`${tool} nosuchcontainer true`, "No such container: nosuchcontainer");
      await fails(`${tool} --wrong ${open.name}`, "unknown option: --wrong", 2);
      await fails(`DOCKER_HOST=unix:///nosuch ${tool} ${open.name}`, "Cannot connect");
    });
    await test.step(`${tool} --help shows how it is used; without a container it is an error`, async () => {
      const help = await run(`${tool} --help`);
      assertEquals([help.status, help.stderr], [0, ""]);
      assertStringIncludes(help.stdout, `Usage: ${tool} CONTAINER [COMMAND...]\n`);
      assertEquals(await run(tool), { status: 2, stdout: "", stderr: help.stdout });
    });
  }
  await test.step("docker-ssh says so where sshd is off", async () => {
    assertEquals(await run(`docker-ssh ${closed.name} true`), {
      status: 255,
      stdout: "",
      stderr:
        `docker-ssh: sshd is switched off in ${closed.name}; run the container with ENABLE_SSH=1\n`,
    });
  });
  await test.step("docker-ssh says so where there is no ssh", async () => {
    const few = "mkdir few && ln -s $(command -v bash env dirname readlink docker) few";
    const tool = "$(command -v docker-ssh)";
    const line = `cd $(mktemp -d) && ${few} && PATH=few ${tool} ${open.name} true; s=$?; rm -r few`;
    assertEquals(await run(`${line}; rmdir $PWD; exit $s`), {
      status: 255,
      stdout: "",
      stderr: "docker-ssh: there is no ssh here; install openssh-client\n",
    });
  });
  await test.step("docker-ssh ends with 255 where no key is accepted (B31)", async () => {
    await closed.sh("rm /etc/service/sshd/down; sv up sshd");
    await sshdIsUp(closed);
    const { status, stderr } = await run(`docker-ssh ${closed.name} true`);
    assertEquals(status, 255);
    assertStringIncludes(stderr, "Permission denied (publickey)");
  });
  await test.step("both say so when the container was stopped", async () => {
    await closed.stop();
    for (const tool of ["docker-ssh", "docker-bash"]) {
      assertEquals(await run(`${tool} ${closed.name} true`), {
        status: 255,
        stdout: "",
        stderr: `${tool}: the container ${closed.name} is not running\n`,
      });
    }
  });
});

Deno.test("install-tools.sh says so when it cannot write", async () => {
  const { status, stderr } = await typed(`${project}/install-tools.sh /proc/nosuch`);
  assertEquals(status, 1);
  assertStringIncludes(stderr, "install-tools.sh: cannot write to /proc/nosuch; use sudo");
});

Deno.test("install-tools.sh --help shows how it is used; what it does not know is one line", async () => {
  const run = (words: string) => typed(`${project}/install-tools.sh ${words}`);
  const help = await run("--help");
  assertEquals([help.status, help.stderr], [0, ""]);
  assertStringIncludes(help.stdout, "Usage: sudo ./install-tools.sh [PREFIX]\n");
  assertEquals(await run("--prefix=/nosuch"), {
    status: 2,
    stdout: "",
    stderr: "install-tools.sh: unknown option: --prefix=/nosuch; --help lists the options\n",
  });
  assertEquals(await run("/nosuch /nosuch"), {
    status: 2,
    stdout: "",
    stderr: "install-tools.sh: unexpected argument: /nosuch; --help shows how it is used\n",
  });
});

Deno.test("docker's host needs nothing but two small files", async () => {
  await using tools = await installed();
  const { stdout } = await typed(
    `find ${tools.prefix} -type f -size +16k; find ${tools.prefix} -type f | wc -l`,
  );
  assertEquals(stdout, "2\n");
});
