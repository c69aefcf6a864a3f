// Logs in to a running container by SSH. Installed on docker's host by install-tools.sh.

import $ from "@david/dax";
import { fail, helpOrCommand, inspect, isTerminal, passOn, requireRunning } from "./container.ts";

const usage = `Usage: docker-ssh CONTAINER [COMMAND...]

Logs in to the running CONTAINER (a name or an id) as root by SSH, or runs COMMAND
there. The exit status is the command's, or 255 when there was no connection.

The container must run sshd (ENABLE_SSH=1, or its Dockerfile says so) and have a key
of yours for root. Where it has the insecure key (my_init --enable-insecure-key),
that one is used.

  -h, --help    show this text
`;

const tool = "docker-ssh";
const { container, command } = helpOrCommand(tool, usage);
await requireRunning(tool, container);
if (!await $.commandExists("ssh")) fail(tool, "there is no ssh here; install openssh-client");
const address = await findAddress();
if (await isSwitchedOff()) {
  fail(tool, `sshd is switched off in ${container}; run the container with ENABLE_SSH=1`);
}
const key = await fetchInsecureKey();

const options = [
  // The next container with this address has other host keys, and both are on this machine.
  ...["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"],
  ...["ConnectTimeout=30", "PasswordAuthentication=no"],
  ...(key ? [`IdentityFile=${key}`, "IdentitiesOnly=yes"] : []),
].flatMap((it) => ["-o", it]);
const terminal = command.length > 0 && isTerminal() ? ["-t"] : [];
const status = await passOn($`ssh ${options} ${terminal} root@${address} ${command}`);
if (key) await Deno.remove(key);
Deno.exit(status);

/** The container's address on its first network that has one. */
async function findAddress(): Promise<string> {
  const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
  const [address] = (await inspect(tool, container, format)).split(" ").filter(Boolean);
  return address ?? fail(tool, `the container ${container} has no address of its own`);
}

/** The file of the insecure key, if the container lets it in; otherwise ssh tries the user's own keys. */
async function fetchInsecureKey(): Promise<string | undefined> {
  const script =
    "grep -qsF -- \"$(cut -d ' ' -f 2 /etc/insecure_key.pub)\" /root/.ssh/authorized_keys && cat /etc/insecure_key";
  const { code, stdout } = await $`docker exec --user 0 ${container} sh -c ${script}`
    .stdout("piped").stderr("null").noThrow();
  if (code !== 0) return undefined;
  const file = await Deno.makeTempFile({ prefix: "insecure_key." }); // Made readable for its owner only.
  await Deno.writeTextFile(file, stdout);
  return file;
}

/** Whether sshd is not to run, and nobody has started it by hand either. */
async function isSwitchedOff(): Promise<boolean> {
  const script = "test -e /etc/service/sshd/down && ! pgrep -x sshd";
  const { code } = await $`docker exec ${container} sh -c ${script}`.quiet().noThrow();
  return code === 0;
}
