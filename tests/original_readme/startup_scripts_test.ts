// "Running scripts during container startup"
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { derive, runContainer, startContainer } from "../support/container.ts";

Deno.test("startup scripts", async (test) => {
  const says = (name: string) => `#!/bin/sh\necho ${name}\n`;
  await using built = await derive(
    `
    RUN mkdir -p /etc/my_init.d
    ADD logtime.sh /etc/my_init.d/logtime.sh
    ADD first /etc/my_init.d/01_first
    ADD second /etc/my_init.d/02_second
    ADD plain /etc/my_init.d/03_plain
    ADD rc.local /etc/rc.local
    ADD own /etc/service/own/run
    `,
    {
      "logtime.sh": "#!/bin/sh\ndate > /tmp/boottime.txt\n",
      first: says("first"),
      second: says("second") + 'exit "${SECOND:-0}"\n',
      plain: "echo not executable\n",
      "rc.local": says("rc.local"),
      own: says("own") + "exec sleep 1000\n",
    },
  );
  await test.step("are run in order, rc.local last, and then the services", async () => {
    await using container = await startContainer([], { from: built.name });
    await container.says("own");
    assertMatch(await container.sh("cat /tmp/boottime.txt"), /\d\d:\d\d:\d\d/);
    const lines = (await container.logs()).stdout.split("\n");
    const ours = lines.filter((it) => /^(first|second|rc\.local|own|not)/.test(it));
    assertEquals(ours, ["first", "second", "rc.local", "own"]);
  });
  await test.step("end the boot, and the container with 1, when one fails", async () => {
    const { status, stdout, stderr } = await runContainer([], {
      from: built.name,
      options: ["-e", "SECOND=7"],
    });
    assertEquals(status, 1);
    assertStringIncludes(stdout, "first\nsecond\n");
    assert(!/rc\.local|own/.test(stdout), stdout);
    assertStringIncludes(stderr, "*** /etc/my_init.d/02_second failed with status 7\n");
  });
});
