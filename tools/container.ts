// What docker-ssh and docker-bash share: their words, and the container they are for.

import $, { type CommandBuilder } from "@david/dax";
import { parseArgs } from "@std/cli/parse-args";

/** The words of the command line, or the usage text and the end of the program. */
export function helpOrCommand(
  tool: string,
  usage: string,
): { container: string; command: string[] } {
  // Options stop at the container: what follows belongs to the command.
  const { _: words, help, ...others } = parseArgs(Deno.args, {
    boolean: ["help"],
    alias: { help: "h" },
    string: ["_"], // As they are: 007 is no number.
    stopEarly: true,
  });
  if (help) {
    console.log(usage.trimEnd());
    Deno.exit(0);
  }
  if (Object.keys(others).some((it) => it !== "h")) {
    fail(tool, `unknown option: ${Deno.args[0]}; --help shows what there is`, 2);
  }
  const [container, ...command] = words.map(String);
  if (container === undefined) {
    console.error(usage.trimEnd());
    Deno.exit(2);
  }
  return { container, command };
}

/** Ends the program unless docker answers and knows a running container of that name or id. */
export async function requireRunning(tool: string, container: string): Promise<void> {
  const running = await inspect(tool, container, "{{.State.Running}}");
  if (running !== "true") fail(tool, `the container ${container} is not running`);
}

/** One of the things that docker knows about a container. */
export async function inspect(tool: string, container: string, format: string): Promise<string> {
  const { code, stdout, stderr } =
    await $`docker container inspect --format ${format} -- ${container}`
      .stdout("piped").stderr("piped").noThrow();
  if (code !== 0) fail(tool, stderr.trim().split("\n").at(-1)!.replace(/^(Error|dax): /, ""));
  return stdout.trim();
}

export function isTerminal(): boolean {
  return Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
}

/** Runs a command with our own input, output and terminal; gives its status. */
export async function passOn(command: CommandBuilder): Promise<number> {
  // Ctrl-C is for the command: the terminal sends it to both.
  Deno.addSignalListener("SIGINT", () => {});
  const { code } = await command.stdin("inherit").stdout("inherit").stderr("inherit").noThrow();
  return code;
}

// 255 is what ssh ends with where it has no status of the command to pass on.
export function fail(tool: string, message: string, status = 255): never {
  console.error(`${tool}: ${message}`);
  Deno.exit(status);
}
