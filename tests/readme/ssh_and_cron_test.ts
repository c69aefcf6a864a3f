import { assert, assertEquals } from "@std/assert";
import { type Container, derive, startContainer } from "../support/container.ts";
import { until } from "../support/until.ts";

const SSH = "ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR";

async function waitForSsh(container: Container): Promise<void> {
  await until(async () =>
    (await container.exec("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/22")).status === 0
  );
}

Deno.test("sshd is off by default", async () => {
  await using container = await startContainer();
  await container.booted();
  assert((await container.exec("pgrep", "-x", "sshd")).status !== 0);
});

Deno.test("sshd that a Dockerfile enables: keys only, and a session has the environment", async () => {
  await using enabled = await derive(`
    RUN rm -f /etc/service/sshd/down
    RUN /etc/my_init.d/00_regen_ssh_host_keys.sh
    RUN ssh-keygen -q -t rsa -N '' -f /key && cat /key.pub >> /root/.ssh/authorized_keys
  `);
  await using container = await startContainer([], {
    from: enabled.name,
    options: ["-e", `MY_NAME=Apachai "Hopachai" $x`],
  });
  await container.booted();
  await waitForSsh(container);
  const session = await container.exec(
    "bash",
    "-c",
    `${SSH} -i /key root@127.0.0.1 'echo $MY_NAME; exit 7'`,
  );
  assertEquals(session.stdout, 'Apachai "Hopachai" $x\n');
  assertEquals(session.status, 7);
  const offered = await container.exec(
    "bash",
    "-c",
    `${SSH} -v -o PreferredAuthentications=none -o LogLevel=DEBUG root@127.0.0.1 true 2>&1`,
  );
  const methods = [...offered.stdout.matchAll(/Authentications that can continue: (.*?)\r?\n/g)];
  assert(methods.length > 0, offered.stdout);
  for (const [, method] of methods) assertEquals(method, "publickey");
});

Deno.test("--enable-insecure-key lets one container be entered with the insecure key (B29)", async () => {
  await using container = await startContainer(["/sbin/my_init", "--enable-insecure-key"]);
  await container.booted();
  await waitForSsh(container);
  assertEquals(
    await container.sh(`${SSH} -i /etc/insecure_key root@127.0.0.1 echo hello world`),
    "hello world\n",
  );
  await container.says("Installing insecure SSH key for user root");
});

Deno.test("ENABLE_SSH and SSH_AUTHORIZED_KEYS need no Dockerfile (W10)", async () => {
  await using container = await startContainer([], {
    options: ["-e", "ENABLE_SSH=1", "-e", "SSH_AUTHORIZED_KEYS=ssh-rsa AAAA someone"],
  });
  await container.booted();
  await waitForSsh(container);
  assertEquals(await container.sh("cat /root/.ssh/authorized_keys"), "ssh-rsa AAAA someone\n");
  const keys = await container.sh("ls /etc/ssh");
  for (const type of ["rsa", "ecdsa", "ed25519"]) assert(keys.includes(`ssh_host_${type}_key`));
});

Deno.test("a cron job runs with the environment, hard links or not, and its output is in syslog (W4, W11)", async () => {
  await using container = await startContainer([], { options: ["-e", `MY_NAME=it's "me" $x`] });
  await container.booted();
  await container.sh(
    `printf '%s\\n' '* * * * * root echo "job of $MY_NAME"' >/etc/cron.d/job; ln /etc/cron.d/job /etc/cron.d/job2; sv restart cron`,
  );
  await until(
    async () => (await container.sh("cat /var/log/syslog")).includes(`job of it's "me" $x`),
    80,
  );
});

Deno.test("DISABLE_CRON=1 leaves cron out at run time (W12)", async () => {
  await using container = await startContainer([], { options: ["-e", "DISABLE_CRON=1"] });
  await container.booted();
  assert((await container.exec("pgrep", "-x", "cron")).status !== 0);
});

Deno.test("install_clean installs, and leaves nothing else behind", async () => {
  await using installed = await derive(
    "RUN install_clean memcached && test -x /usr/bin/memcached && ! ls /var/lib/apt/lists/*_Packages\n" +
      "RUN ! install_clean nosuchpackage\nRUN usermod -u 99 nobody\nRUN /bd_build/cleanup.sh",
  );
  assert(installed.name);
});
