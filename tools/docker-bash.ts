// Runs a command in a running container by `docker exec`. Installed on docker's host by install-tools.sh.

import $ from "@david/dax";
import { helpOrCommand, isTerminal, passOn, requireRunning } from "./container.ts";

const usage = `Usage: docker-bash CONTAINER [COMMAND...]

Runs COMMAND in the running CONTAINER (a name or an id) by \`docker exec\`; without
a COMMAND, a login shell. The exit status is the command's.

  -h, --help    show this text
`;

const { container, command } = helpOrCommand("docker-bash", usage);
await requireRunning("docker-bash", container);
const terminal = isTerminal() ? ["--tty"] : [];
// One word is a line for the shell, as it is with docker-ssh; with more, each is one argument.
const argv = command.length === 0
  ? ["bash", "-l"]
  : command.length === 1
  ? ["bash", "-c", command[0]]
  : command;
Deno.exit(await passOn($`docker exec --interactive ${terminal} ${container} ${argv}`));
