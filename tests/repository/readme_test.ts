// README.md itself
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { version } from "../../build/programs.ts";
import {
  Container,
  derive,
  Derived,
  image,
  runContainer,
  startContainer,
  uniqueName,
} from "../support/container.ts";
import { project } from "../support/namespace.ts";
import { until } from "../support/until.ts";
import { typed } from "../support/reader.ts";
import { Terminal } from "../support/terminal.ts";

const text = Deno.readTextFileSync(join(project, "README.md"));

function blocks(language: string): string[] {
  return [...text.matchAll(/^```(\w+)\n(.*?)^```/gms)]
    .filter(([, of]) => of === language).map(([, , block]) => block);
}

Deno.test("what README.md tells to write into a Dockerfile makes the image that it promises", async () => {
  const [from, ...lines] = blocks("Dockerfile").join("").split("\n");
  assertEquals(from, `FROM baseimage:${version}`);
  const [service] = blocks("sh");
  await using built = await derive(lines.join("\n"), {
    "memcached.sh": service,
    "db.sh": "#!/bin/sh\nexec sleep 1000\n",
    "db-check.sh": "#!/bin/sh\nexit 0\n",
    "web.sh": "#!/bin/sh\nexit 1\n",
    "your_key.pub": "ssh-ed25519 AAAA reader\n",
  });
  await using container = await startContainer([], { from: built.name });
  const serves = ["pgrep", "-xu", "memcache", "memcached"];
  await until(async () => (await container.exec(...serves)).status === 0);
  const environment = await container.exec(
    "setuser",
    "nobody",
    "cat",
    "/etc/container_environment.sh",
  );
  assertStringIncludes(environment.stdout, "MY_NAME='Apachai Hopachai'");
  assertStringIncludes(await container.sh("cat /root/.ssh/authorized_keys"), "reader");
  assertStringIncludes(await container.sh("sv status sshd"), "run: sshd");
  const [, shown] = text.match(/healthy db web\n(.*?)```/s)!;
  const likeShown = new RegExp(`^${shown.replace(/61|3/g, "\\d+")}$`);
  await until(
    async () => likeShown.test((await container.exec("healthy", "db", "web")).stdout),
    20,
  );
});

Deno.test("from README.md's Dockerfile its lines of shell lead to a service that is healthy", async () => {
  const [dockerfile] = blocks("Dockerfile");
  const [service] = blocks("sh");
  const name = uniqueName();
  const lines = blocks("bash")[0].trim().replaceAll("my-app", name)
    .replace("docker build", "$& --network host").split("\n");
  const folder = await Deno.makeTempDir({ prefix: "readme-" });
  await using _container = new Container(name);
  await using _image = new Derived(name);
  try {
    await Deno.writeTextFile(
      join(folder, "Dockerfile"),
      dockerfile.replace(`baseimage:${version}`, image),
    );
    await Deno.writeTextFile(join(folder, "memcached.sh"), service);
    for (const line of lines) {
      const [command, promised] = line.split(/ +# some seconds later: /);
      const run = () => typed(`cd ${folder} && ${command}`, { DOCKER_BUILDKIT: "0" });
      if (!promised) {
        assertEquals((await run()).status, 0, line);
        continue;
      }
      const shown = promised.slice(1, -1).replace("3", "\\d+");
      await until(async () => new RegExp(`^${shown}\n$`).test((await run()).stdout), 20);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("README.md's table has the variables that my_init --help names", async () => {
  const { stdout } = await runContainer(["my_init", "--help"]);
  const [, named] = stdout.match(/^Environment: (.*)/ms)!;
  const [, chapter] = text.match(/^### All variables\n(.*?)^##/ms)!;
  const rows = [...chapter.matchAll(/^\| (`[A-Z].*?) \|/gm)].map(([, first]) => first).join();
  assertEquals(
    rows.match(/\w+/g),
    named.replaceAll("_SERVICE", "_NAME").match(/\w+/g),
  );
});

Deno.test("each link in README.md to a section finds it", () => {
  const sections = [...text.matchAll(/^#+ (.*)$/gm)]
    .map(([, title]) => title.toLowerCase().replace(/[^\w -]/g, "").replaceAll(" ", "-"));
  const links = [...text.matchAll(/\]\(#(.*?)\)/g)].map(([, link]) => link);
  assert(links.length > 0);
  assertEquals(links.filter((it) => !sections.includes(it)), []);
});

Deno.test("my_init --check says what README.md shows", async () => {
  const [shown] = blocks("text");
  const script = [
    "cd /etc/service; mkdir cache worker",
    "printf '#!/bin/sh\nexec memcached -d\n' >cache/run",
    "printf '#!/bin/sh\ncd /app\npython3 worker.py\n' >worker/run",
    "chmod +x */run",
    "printf '#!/bin/sh\n' >/etc/my_init.d/10_migrate",
    "printf '@daily root backup\n' >/etc/cron.d/backup.job",
    "exec my_init --check",
  ].join("; ");
  const { status, stdout } = await runContainer(["sh", "-c", script]);
  assertEquals([status, stdout], [1, shown]);
});

const commands = [...text.matchAll(/^ {4}(docker run .*)$/gm)].map(([, command]) => command);
for (const command of commands) {
  Deno.test(`README.md: ${command}`, async () => {
    const line = command.replace(/ (REGISTRY\/)?baseimage /, ` ${image} `);
    if (!command.includes(" -it ")) return assertEquals((await typed(line)).status, 0);
    await using terminal = new Terminal(line);
    await terminal.shows("# ");
    await terminal.type("exit 5\n");
    assertEquals(await terminal.status(), 5);
  });
}
