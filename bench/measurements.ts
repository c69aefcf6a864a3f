/**
 * The questions, and how each is answered. All subjects of a question take turns, so that whatever else the machine
 * does meets all of them alike.
 *
 * @module
 */
import $ from "@david/dax";
import { Problem } from "../build/project.ts";
import {
  attach,
  docker,
  readMemory,
  readStats,
  removeAll,
  run,
  start,
  type Subject,
  timeRun,
} from "./containers.ts";
import { type Figures, type Question, Samples } from "./figures.ts";
import type { Images } from "./images.ts";

/** How much of everything. */
export interface Plan {
  runs: Record<Question, number>;
  services: number[];
  orphans: number;
  /** Memory is searched in steps of so many MiB. */
  stepMiB: number;
}

export const full: Plan = {
  runs: {
    memory: 3,
    start: 25,
    stop: 15,
    exec: 100,
    setuser: 300,
    users: 1,
    services: 7,
    orphans: 1,
  },
  services: [1, 20, 200, 800],
  orphans: 60_000,
  stepMiB: 2,
};

export const quick: Plan = {
  runs: { memory: 1, start: 3, stop: 2, exec: 10, setuser: 20, users: 1, services: 1, orphans: 1 },
  services: [1, 20],
  orphans: 2_000,
  stepMiB: 16,
};

type Tell = (progress: string) => void;

export const measure: Record<
  Question,
  (images: Images, plan: Plan, tell: Tell) => Promise<Figures>
> = {
  memory: measureMemory,
  start: measureStart,
  stop: measureStop,
  exec: (images, { runs }) => stopwatch(images, runs.exec, initsInside, mayUnshare),
  setuser: (images, { runs }) => stopwatch(images, runs.setuser, switches, []),
  users: measureUsers,
  services: measureServices,
  orphans: measureOrphans,
};

const sleep = ["sleep", "1000000"];
const alone = ["--quiet", "--skip-startup-files", "--skip-runit", "--"];

/** It sleeps after two seconds; with one more nothing else moves either. */
const secondsToSettle = 5;

/** Inits of one command. */
const oneCommand = {
  "my_init, command alone": ["/sbin/my_init", ...alone],
  "my_init 1.0.0, command alone": ["/previous/my_init", ...alone],
  tini: ["tini-static", "--"],
  "dumb-init": ["dumb-init", "--"],
  catatonit: ["catatonit", "--"],
};

/** Every init of one command, with that command; and a bare one, which ends on TERM. */
function commands({ peers }: Images, command: string[]): Record<string, Subject> {
  return Object.fromEntries(
    Object.entries(oneCommand).map((
      [name, init],
    ) => [name, { image: peers, command: [...init, ...command] }]),
  );
}

/** Supervisors alone, with so many services. */
function supervisors({ peers, s6 }: Images, count: number): Record<string, Subject> {
  return {
    // It knows no TERM that stops services; with HUP it ends them, but does not wait for their end.
    runit: {
      image: peers,
      options: ["--stop-signal", "HUP"],
      command: ["runsvdir", "-P", `/bench/services/${count}`],
    },
    s6: { image: s6, command: ["s6-svscan", "-c", "1000", `/bench/services/${count}`] },
    supervisor: { image: peers, command: ["supervisord", "-c", `/bench/supervisor/${count}.conf`] },
  };
}

function wholeImages({ ours, previous }: Images, command: string[] = []): Record<string, Subject> {
  return { my_init: { image: ours, command }, "my_init 1.0.0": { image: previous, command } };
}

function idleContainers(images: Images, bare: string[]): Record<string, Subject> {
  return {
    bare: { image: images.peers, command: bare },
    ...wholeImages(images),
    ...commands(images, sleep),
    ...supervisors(images, 1),
  };
}

async function measureMemory(images: Images, { runs }: Plan, tell: Tell): Promise<Figures> {
  const subjects = idleContainers(images, sleep);
  const samples = new Samples();
  for (let round = 1; round <= runs.memory; round++) {
    tell(`round ${round} of ${runs.memory}`);
    const ids: string[] = [];
    for (const subject of Object.values(subjects)) ids.push(await start(subject));
    await $.sleep(secondsToSettle * 1000);
    const stats = await readStats(ids);
    for (const [index, name] of Object.keys(subjects).entries()) {
      const { rss, pss, private: own } = await readMemory(ids[index], images.peers);
      samples.add(name, "container, MiB", stats[index]);
      samples.add(name, "PID 1 RSS, kB", rss);
      if (pss > 0) {
        samples.add(name, "PID 1 PSS, kB", pss);
        samples.add(name, "PID 1 private, kB", own);
      }
    }
    await removeAll(ids);
  }
  return samples.figures();
}

async function measureStart(images: Images, { runs }: Plan, tell: Tell): Promise<Figures> {
  const echo = ["echo", "up"];
  const subjects: Record<string, Subject> = {
    bare: { image: images.peers, command: echo },
    ...commands(images, echo),
    ...wholeImages(images, ["my_init", "--quiet", "--", ...echo]),
  };
  const samples = new Samples();
  for (let round = 0; round <= runs.start; round++) {
    tell(`round ${round} of ${runs.start}`);
    const first: Record<string, number> = {};
    const end: Record<string, number> = {};
    for (const [name, subject] of Object.entries(subjects)) {
      const times = await timeRun(subject);
      [first[name], end[name]] = [times.first, times.end];
    }
    if (round === 0) continue; // It fills the page cache.
    samples.addBeyond("first output, ms", first);
    samples.addBeyond("end, ms", end);
  }
  return samples.figures();
}

async function measureStop(images: Images, { runs }: Plan, tell: Tell): Promise<Figures> {
  const endsOnTerm = "trap 'exit 0' TERM; sleep 1000000 & wait";
  const subjects = idleContainers(images, ["sh", "-c", endsOnTerm]);
  const samples = new Samples();
  for (let round = 1; round <= runs.stop; round++) {
    tell(`round ${round} of ${runs.stop}`);
    const ids: Record<string, string> = {};
    for (const [name, subject] of Object.entries(subjects)) ids[name] = await start(subject);
    await $.sleep(secondsToSettle * 1000);
    const times: Record<string, number> = {};
    for (const [name, id] of Object.entries(ids)) times[name] = await timeStop(id);
    samples.addBeyond("stop, ms", times);
    await removeAll(Object.values(ids));
  }
  return samples.figures();
}

async function timeStop(container: string): Promise<number> {
  const began = performance.now();
  await docker("stop", "--time", "60", container);
  return performance.now() - began;
}

/** As a PID 1 in a namespace of its own, inside one container: without what docker does, and its noise. */
const mayUnshare = [
  ...["--cap-add", "SYS_ADMIN"],
  ...["--security-opt", "seccomp=unconfined"],
  ...["--security-opt", "apparmor=unconfined"],
];
const inNamespace = ["unshare", "--pid", "--fork", "--mount-proc"];
/** The least that an init in Python takes, as the original is one: it runs the command and does nothing else. */
const python = `import argparse, json, os, signal, sys
sys.exit(os.spawnv(os.P_WAIT, sys.argv[1], sys.argv[1:]))`;
const initsInside = Object.fromEntries(
  Object.entries({ bare: [], ...oneCommand, "Python alone": ["python3", "-c", python] }).map((
    [name, init],
  ) => [name, [...inNamespace, ...init, "/bin/true"]]),
);

const setpriv = ["/debian/loader", "--library-path", "/debian", "/debian/setpriv"];

const switches = {
  bare: ["/bin/true"],
  setuser: ["/sbin/setuser", "nobody", "/bin/true"],
  "setuser 1.0.0": ["/previous/setuser", "nobody", "/bin/true"],
  gosu: ["gosu", "nobody", "/bin/true"],
  setpriv: [...setpriv, "--reuid=65534", "--regid=65534", "--init-groups", "/bin/true"],
  chpst: ["chpst", "-u", "nobody", "/bin/true"],
};

async function stopwatch(
  { peers }: Images,
  rounds: number,
  cases: Record<string, string[]>,
  options: string[],
): Promise<Figures> {
  const plan = JSON.stringify({ rounds, cases });
  const script = 'printf %s "$0" | python3 /bench/stopwatch.py';
  const times: Record<string, number[]> = JSON.parse(
    await run({ image: peers, options, command: ["sh", "-c", script, plan] }),
  );
  const samples = new Samples();
  for (let round = 0; round < rounds; round++) {
    samples.addBeyond(
      "whole process, ms",
      Object.fromEntries(Object.entries(times).map(([name, it]) => [name, it[round]])),
    );
  }
  return samples.figures();
}

async function measureUsers(images: Images, { runs, stepMiB }: Plan, tell: Tell): Promise<Figures> {
  const boot = (way: string) => [
    "sh",
    "-c",
    `cp -r /bench/users/${way}/. /etc/service/; exec my_init`,
  ];
  const runit = (way: string) => ["runsvdir", "-P", `/bench/users/${way}`];
  const subjects: Record<string, Subject> = {
    my_init: { image: images.peers, command: boot("setuser") },
    "my_init 1.0.0": { image: images.previousWithServices, command: boot("setuser") },
    "runit and gosu": { image: images.peers, command: runit("gosu") },
    "runit and chpst": { image: images.peers, command: runit("chpst") },
  };
  const samples = new Samples();
  for (let round = 1; round <= runs.users; round++) {
    for (const [name, subject] of Object.entries(subjects)) {
      let [fails, boots] = [0, Math.ceil(256 / stepMiB)];
      while (boots - fails > 1) {
        const middle = (fails + boots) >> 1;
        tell(`${name} in ${middle * stepMiB} MiB`);
        if (await bootsIn(middle * stepMiB, subject)) boots = middle;
        else fails = middle;
      }
      samples.add(name, "least memory, MiB", boots * stepMiB);
    }
  }
  return samples.figures();
}

/** Whether its ten services come up in so much memory, and nothing is killed for it. */
async function bootsIn(mebibytes: number, subject: Subject): Promise<boolean> {
  if (mebibytes < 6) return false; // Docker refuses less.
  const size = `${mebibytes}m`;
  await using attached = attach(subject, "--memory", size, "--memory-swap", size);
  const isUp = await Promise.race([attached.readLines(10), $.sleep(15_000).then(() => false)]);
  if (!isUp) return false;
  return await docker("inspect", "--format", "{{.State.OOMKilled}}", attached.name) === "false";
}

async function measureServices(
  images: Images,
  { runs, services }: Plan,
  tell: Tell,
): Promise<Figures> {
  const samples = new Samples();
  for (const count of services) {
    // A directory that has just been changed makes runsvdir wait for the next second.
    const copy = `cp -r /bench/services/${count}/. /etc/service/; touch -d @0 /etc/service`;
    const boot = ["sh", "-c", `${copy}; exec "$@"`, "sh"];
    const { supervisor, ...others } = supervisors(images, count);
    const subjects = Object.entries({
      my_init: { image: images.peers, command: ["my_init", "--quiet"] },
      "my_init 1.0.0": { image: images.previousWithServices, command: ["my_init", "--quiet"] },
      ...others,
      ...(count <= 200 && { supervisor }), // It uses select(), which has room for 1,024 open files.
    }).map(([name, it]) => {
      const preparation = name.startsWith("my_init") ? boot : ["sh", "-c", 'exec "$@"', "sh"];
      return [name, withMark({ ...it, command: [...preparation, ...it.command] })] as const;
    });
    for (let round = 1; round <= runs.services; round++) {
      for (const [name, subject] of subjects) {
        tell(`${count} of ${name}, round ${round} of ${runs.services}`);
        await forget();
        await using attached = attach(subject, "--rm");
        await attached.lines(1);
        const began = performance.now();
        await attached.lines(1 + count);
        samples.add(name, `boot with ${count}, ms`, performance.now() - began);
        samples.add(name, `stop with ${count}, ms`, await timeStop(attached.name));
      }
    }
  }
  return samples.figures();
}

/**
 * Lets the kernel forget files and processes of containers that have ended: with them 800 services take three times as
 * long as in the first container. Only root on docker's own machine can do that.
 *
 * @see https://docs.kernel.org/admin-guide/sysctl/vm.html#drop-caches
 */
async function forget(): Promise<void> {
  await $`sh -c "sync && echo 3 >/proc/sys/vm/drop_caches"`.quiet().noThrow();
}

/** A line on standard output when the preparation is over. */
function withMark(subject: Subject): Subject {
  return {
    ...subject,
    command: subject.command.map((it) => it.replace('exec "$@"', 'echo up; exec "$@"')),
  };
}

async function measureOrphans(
  images: Images,
  { runs, orphans }: Plan,
  tell: Tell,
): Promise<Figures> {
  const { tini, "dumb-init": dumbInit, catatonit } = commands(images, sleep);
  const peers = { tini, "dumb-init": dumbInit, catatonit };
  const subjects: Record<string, Subject> = {
    ...wholeImages(images),
    ...peers,
    s6: supervisors(images, 1).s6,
    supervisor: supervisors(images, 1).supervisor,
  };
  const script = `
    for (1..${orphans / 100}) {
      my $parent = fork;
      if ($parent == 0) {
        for (1..100) { fork or exit }
        exit;
      }
      waitpid $parent, 0;
    }
    while (1) {
      my $left = 0;
      for (glob "/proc/[0-9]*/stat") {
        open my $file, "<", $_ or next;
        $left++ if (<$file> // "") =~ /\\) Z /;
      }
      last if $left == 0;
      select undef, undef, undef, 0.01;
    }`;
  const samples = new Samples();
  for (let round = 1; round <= runs.orphans; round++) {
    for (const [name, subject] of Object.entries(subjects)) {
      tell(`${name}, round ${round} of ${runs.orphans}`);
      const id = await start(subject);
      await $.sleep(secondsToSettle * 1000);
      const before = await readMemory(id, images.peers);
      const began = performance.now();
      await docker("exec", id, "perl", "-e", script);
      samples.add(name, "time, s", (performance.now() - began) / 1000);
      await $.sleep(secondsToSettle * 1000);
      const after = await readMemory(id, images.peers);
      if (after.rss === 0) throw new Problem(`${name} did not survive ${orphans} orphans`);
      samples.add(name, "RSS before, kB", before.rss);
      samples.add(name, "RSS after, kB", after.rss);
      await removeAll([id]);
    }
  }
  return samples.figures();
}
