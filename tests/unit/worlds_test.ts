import { assert } from "@std/assert";
import { SIGNALS } from "../../posix/signals.ts";
import { SERVICE_ENDED } from "../../supervisor/conventions.ts";
import { type Plan } from "../../supervisor/plans.ts";
import { get } from "../../env/environment.ts";
import { draw } from "../../timeline/draw.ts";
import { type Behaviour, live, type World } from "./simulation.ts";

const WORLDS = 3000;

type Order = NonNullable<World["orders"]>[number][1];

/** A generator of numbers from 0 to below 1, the same for a seed. https://en.wikipedia.org/wiki/Linear_congruential_generator */
function randomFrom(seed: number): () => number {
  let state = seed;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  for (let i = 0; i < 10; i++) next();
  return next;
}

function makeWorld(random: () => number): World {
  const one = <T>(...choices: T[]): T => choices[Math.floor(random() * choices.length)];
  const some = (most: number) => Math.floor(random() * (most + 1));
  const names = (prefix: string, most: number) =>
    Array.from({ length: some(most) }, (_, i) => `${prefix}${i}`);
  const behaviour = (): Behaviour => ({
    termTakes: one(0, 0, 0.01, 0.5, 3, 20, Infinity),
    status: one(0, 0, 1, 143),
    endsAfter: one(Infinity, Infinity, 0, 0.3, 5),
    forks: one(0, 0, 0, 1, 3),
    unkillable: random() < 0.05,
    cannotStart: one(undefined, undefined, undefined, undefined, 126, 127),
  });
  const variables = (): Record<string, string | undefined> => ({
    [one("A", "B", "FILE__KEY", "KEY")]: one("1", "2", "/run/key", undefined),
  });
  const script = (): Behaviour => ({
    ...behaviour(),
    endsAfter: one(0, 0.1, 2, Infinity),
    writes: one(undefined, variables()),
  });
  const scripts = {
    startup: names("/start", 3),
    preShutdown: names("/pre", 2),
    postShutdown: names("/post", 2),
  };
  const [services, others] = [names("service", 5), names("other", 4)];
  const programs: Record<string, Behaviour> = Object.fromEntries([
    ...Object.values(scripts).flat().map((name) => [name.slice(1), script()]),
    ...services.map((name) => [name, {
      ...behaviour(),
      childless: one(undefined, undefined, "down", "down by SIGTERM", "before finish"),
    }]),
    ...others.map((name) => [name, behaviour()]),
    ["main", behaviour()],
    ["runsvdir", one({}, {}, behaviour())],
  ]);
  const plans = Object.fromEntries(
    services.filter(() => random() < 0.6).map((name, index, managed) => [name, {
      needs: managed.slice(0, index).filter(() => random() < 0.4), // No circles.
      readyBy: one("time", "check", "notification") as Plan["readyBy"],
      backoff: one(undefined, 0, 3),
      giveUp: one(undefined, { ends: 2, seconds: 5 }),
      down: random() < 0.1,
    }]),
  );
  for (const name of services) {
    programs[name].readyAfter = one(0, 1, Infinity);
    programs[name].crashesAfter = one<Behaviour["crashesAfter"]>(undefined, 0, 2, [0, 1]);
  }
  const orders = Object.keys(plans).slice(0, some(2)).map((name): [number, Order, string] => [
    some(8),
    one<Order>("up", "down", "restart"),
    name,
  ]);
  const signals = Array.from({ length: some(3) }, (): [number, number] => [
    random() * 8,
    one(SIGNALS.SIGTERM, SIGNALS.SIGINT, SIGNALS.SIGQUIT, SIGNALS.SIGHUP, SERVICE_ENDED, 37),
  ]);
  const last: [number, number] = [10, SIGNALS.SIGTERM]; // At some time it is stopped.
  return {
    options: [
      ...one([], ["--skip-runit", "--no-kill-all-on-exit"], ["--quiet"]),
      ...one([], [], ["--wait-ready"]),
      ...one(["--", "main"], ["main"]),
    ],
    scripts,
    services,
    critical: services.slice(0, some(1)),
    last: services.slice(0, some(1)),
    plans,
    orders: orders.toSorted(([a], [b]) => a - b),
    others,
    programs,
    environment: [
      ...one([], [], [["SHUTDOWN_TIMEOUT", one("0", "2", "9", "30")] as const]),
      ...one([], [], [["DRAIN_SECONDS", "2"] as const]),
      ...one([], [["A", "given"] as const, ["a/b", "given"] as const, ["HOME", "/x"] as const]),
      ...one([], [["TIMELINE", "/boot.svg"] as const]),
      ...one([], [], [["NOTIFY_SOCKET", "/notify"] as const]),
      ...one([], [["FILE__KEY", one("/run/key", "/run/none")] as const]),
    ],
    directory: one([], [["A", "directory"], ["PATH", "/x"]]),
    files: { "/run/key": "secret" },
    signals: [...signals.toSorted(([a], [b]) => a - b), last],
  };
}

Deno.test(`${WORLDS} random worlds: each shutdown is over in time, and its run is the same after it was written as JSON`, () => {
  for (let seed = 1; seed <= WORLDS; seed++) {
    const world = makeWorld(randomFrom(seed));
    const seconds = (name: string) => get(world.environment ?? [], name);
    const drain = Number(seconds("DRAIN_SECONDS") ?? 0);
    const overall = Number(seconds("SHUTDOWN_TIMEOUT") ?? 9) + drain;
    try {
      const { story, stopSeconds, status, environment, timeline, seconds: now } = live(world);
      const told = story.join("\n").match(/(READY|STOPPING)=1 to/g)?.join() ?? "";
      assert(/^((READY=1 to,)?STOPPING=1 to)?$/.test(told), told);
      assert((told !== "") === (seconds("NOTIFY_SOCKET") !== undefined), told);
      for (const { start, end = now, ...mark } of timeline.marks) {
        assert(0 <= start && start <= end && end <= now, JSON.stringify(mark));
      }
      assert(timeline.marks.length < 30 + 25 * world.services!.length, "too many marks");
      assert(!/NaN|undefined|Infinity/.test(draw(timeline)), "a picture without a number");
      // A process that cannot be killed costs a moment in each step, and post_shutdown scripts always get a second.
      assert(stopSeconds <= Math.max(overall, 2.5) + 0.5, `it takes ${stopSeconds} s`);
      assert(status >= 0 && status < 256, `status ${status}`);
      // No script can change or remove a variable that was never in the directory.
      for (const name of ["HOME", "a/b"]) {
        assert(get(environment, name) === get(world.environment ?? [], name), `${name} differs`);
      }
    } catch (error) {
      throw new Error(`World ${seed}: ${JSON.stringify(world)}: ${error}`, { cause: error });
    }
  }
});
