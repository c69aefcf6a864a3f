// What the init costs in time. Run by `deno task bench`; prints a table.
// Each round times every case, so that whatever else the machine does meets all of them alike.

import $ from "@david/dax";
import { secondsOf } from "../tests/support/until.ts";
import { buildImage } from "../build/image.ts";
import { readCommandLine, runTool, say } from "../build/project.ts";

const rounds = 10;

const usage = `Usage: deno task bench

Prints a table of what a start and a stop of containers of the image cost, in
seconds and against bare ones. It takes a minute.

  -h, --help  show this text
`;

function median(numbers: number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
}

await runTool(async () => {
  readCommandLine(usage, {});
  const image = await buildImage();
  const runOf = (...command: string[]) => () =>
    secondsOf(() => $`docker run --rm ${image} ${command}`.quiet());
  const stopOf = (isUp: string, ...command: string[]) => async () => {
    const id = await $`docker run -d ${image} ${command}`.text();
    await $`docker exec ${id} sh -c ${`until ${isUp}; do sleep 0.05; done`}`.quiet();
    const seconds = await secondsOf(() => $`docker stop ${id}`.quiet());
    await $`docker rm ${id}`.quiet();
    return seconds;
  };

  const bareRun = "docker run IMAGE true";
  const bareStop = "docker stop, of a program that ends on TERM";
  const cases: Record<string, { against: string; time: () => Promise<number> }> = {
    [bareRun]: { against: bareRun, time: runOf("true") },
    "my_init --skip-startup-files --skip-runit -- true": {
      against: bareRun,
      time: runOf("my_init", "--skip-startup-files", "--skip-runit", "--", "true"),
    },
    "my_init -- true, with syslog, cron and runit": {
      against: bareRun,
      time: runOf("my_init", "--", "true"),
    },
    [bareStop]: {
      against: bareStop,
      time: stopOf("true", "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.01; done"),
    },
    "docker stop, of my_init with syslog, cron and runit": {
      against: bareStop,
      time: stopOf("sv status cron | grep -q '^run: cron'", "my_init"),
    },
  };

  const seconds: Record<string, number[]> = {};
  for (let round = 1; round <= rounds; round++) {
    say(`Round ${round} of ${rounds} ...`);
    for (const [name, { time }] of Object.entries(cases)) (seconds[name] ??= []).push(await time());
  }
  console.table(
    Object.fromEntries(
      Object.entries(cases).map(([name, { against }]) => {
        const [ours, bare] = [median(seconds[name]), median(seconds[against])];
        return [name, { "median, s": ours.toFixed(2), "times bare": (ours / bare).toFixed(1) }];
      }),
    ),
  );
});
