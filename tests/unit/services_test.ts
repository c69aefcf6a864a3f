import { assert, assertEquals } from "@std/assert";
import { SIGNALS } from "../../posix/signals.ts";
import { findFault, type Plan, type Plans } from "../../supervisor/plans.ts";
import { parseGiveUp, parseNeeds } from "../../supervisor/plans.ts";
import { newService, type Service, transition } from "../../supervisor/service.ts";
import { live, type World } from "./simulation.ts";

/** The story without what is the same in all of them. */
function tell(world: World): { story: string[]; status: number; seconds: number } {
  const { story, status, seconds } = live(world);
  const rest = story.filter((line) => !/environment|runit|Runit|runsvdir|Killing/.test(line));
  return { story: rest, status, seconds };
}

const TERM = (seconds: number): [number, number] => [seconds, SIGNALS.SIGTERM];

Deno.test("a service is started when those that it needs are ready, and they end after it", () => {
  const { story } = tell({
    services: ["db", "web", "cache"],
    plans: {
      web: { needs: ["db", "cache"] },
      db: { readyBy: "check" },
      cache: {},
    },
    programs: { db: { readyAfter: 3, termTakes: 1 }, web: { termTakes: 1 }, cache: {} },
    signals: [TERM(10)],
  });
  assertEquals(story, [
    "0 (db starts)",
    "0 (cache starts)",
    "3.04 (web starts)",
    "10 (received SIGTERM)",
    "10 (SIGTERM SIGCONT to web)",
    "11 (SIGTERM SIGCONT to db, cache)",
  ]);
});

Deno.test("what never gets ready is named after ten seconds, and once a minute", () => {
  const { story } = tell({
    services: ["db", "web"],
    plans: { web: { needs: ["db"] }, db: { readyBy: "check" } },
    programs: { db: { readyAfter: Infinity }, web: {} },
    signals: [TERM(100)],
  });
  const late = story.filter((line) => line.includes("waits"));
  assertEquals(late, [
    "10 web waits for service db, not ready after 10 s: its check ends with status 1",
    "70 web waits for service db, not ready after 70 s: its check ends with status 1",
  ]);
});

Deno.test("who needs a service that is down is told at once, and started when somebody starts it", () => {
  const { story } = tell({
    services: ["db", "web"],
    plans: { web: { needs: ["db"] }, db: { down: true } },
    orders: [[30, "up", "db"]],
    signals: [TERM(60)],
  });
  assertEquals(story.slice(0, 2), [
    "0 web waits for service db, which is down: `sv up db` starts it",
    "30 (db starts)",
  ]);
  assert(story.some((line) => /^3\d.*\(web starts\)$/.test(line)), story.join("\n"));
});

Deno.test("with --wait-ready the main command is run when all services are ready that are not down", () => {
  const { story, status } = tell({
    options: ["--wait-ready", "--", "main"],
    services: ["db", "off"],
    plans: { db: { readyBy: "check" }, off: { down: true } },
    programs: { db: { readyAfter: 2 }, main: { endsAfter: 1, status: 4 } },
  });
  const at = story.findIndex((line) => line.endsWith("Running main..."));
  assert(parseFloat(story[at]) >= 2, story.join("\n"));
  assertEquals(status, 4);
});

Deno.test("a stop while the main command waits aborts the boot with 128 + n", () => {
  const { story, status } = tell({
    options: ["--wait-ready", "--", "main"],
    services: ["db"],
    plans: { db: { readyBy: "check" } },
    programs: { db: { readyAfter: Infinity } },
    signals: [TERM(5)],
  });
  assert(story.includes("5 Init system aborted."));
  assertEquals(status, 143);
});

Deno.test("the pause before a start doubles up to backoff, and begins anew after ten good seconds", () => {
  const { story } = tell({
    services: ["web"],
    plans: { web: { backoff: 5 } },
    programs: { web: { crashesAfter: [0, 0, 0, 0, 12, 0] } },
    signals: [TERM(60)],
  });
  const starts = story.filter((line) => line.endsWith("(web starts)")).map(parseFloat);
  const pauses = starts.slice(1).map((at, i) => Math.round(at - starts[i]));
  assertEquals(pauses, [1, 2, 4, 5, 12, 1]);
});

Deno.test("a service that keeps ending is told once at first, and then once a minute", () => {
  const { story } = tell({
    services: ["web"],
    plans: { web: { backoff: 10 } },
    programs: { web: { crashesAfter: 0, status: 3 } },
    signals: [TERM(130)],
  });
  assertEquals(story.filter((line) => line.includes("Service")), [
    "0 Service web ended with status 3 after 0 s; started again in 1 s",
    "65 Service web keeps ending: 9 times in 65 s, now with status 3; started again in 10 s",
    "125 Service web keeps ending: 6 times in 60 s, now with status 3; started again in 10 s",
  ]);
});

Deno.test("give_up leaves a service down, with one warning; with critical it ends the container", () => {
  const world: World = {
    services: ["web"],
    plans: { web: { giveUp: { ends: 3, seconds: 60 } } },
    programs: { web: { crashesAfter: 2, status: 7 } },
    signals: [TERM(100)],
  };
  const { story, status } = tell(world);
  assertEquals(story.filter((line) => line.endsWith("(web starts)")).length, 3);
  assertEquals(story.filter((line) => line.includes("stays down")).length, 1);
  assertEquals(status, 0);
  const fatal = tell({ ...world, critical: ["web"] });
  assertEquals([fatal.status, fatal.seconds], [7, 6]);
  assert(fatal.story.includes("6 Critical service web ended with status 7"));
});

Deno.test("sv restart and sv down are no crashes", () => {
  const { story } = tell({
    services: ["web"],
    plans: { web: { backoff: 60, giveUp: { ends: 2, seconds: 60 } } },
    orders: [[1, "restart", "web"], [2, "restart", "web"], [3, "restart", "web"], [
      4,
      "down",
      "web",
    ]],
    signals: [TERM(100)],
  });
  assertEquals(story.filter((line) => /Service|stays/.test(line)), []);
  assertEquals(story.filter((line) => line.endsWith("(web starts)")).length, 4);
});

Deno.test("a stop does not wait for a pause", () => {
  const { seconds } = tell({
    services: ["web"],
    plans: { web: { backoff: 100 } },
    programs: { web: { crashesAfter: 0 } },
    signals: [TERM(10)],
  });
  assert(seconds < 10.2, `${seconds}`);
});

Deno.test("a service that ignores SIGTERM leaves time to end to the one that it needs", () => {
  const { story, seconds } = tell({
    services: ["db", "web", "alone"],
    plans: { web: { needs: ["db"] }, db: {} },
    programs: {
      web: { termTakes: Infinity },
      db: { termTakes: 1 },
      alone: { termTakes: 4.9 },
    },
    signals: [TERM(10)],
  });
  const term = story.findIndex((line) => line.endsWith("to db)"));
  assert(story.some((line) => line.includes("Services did not shut down in time: web")));
  assert(!story.some((line) => /in time: (db|alone)/.test(line)), story.join("\n"));
  assert(term > 0 && seconds < 19, story.join("\n"));
});

Deno.test("what a late service has left behind is killed with it if the service owns it, but not its log", () => {
  const killed = (ownsDescendants: boolean, leavesBehind: "running" | "finishing") => {
    const { story } = tell({
      services: ["web"],
      plans: { web: { ownsDescendants } },
      programs: { web: { termTakes: Infinity, leavesBehind } },
      signals: [TERM(10)],
    });
    const line = story.find((line) => line.includes("SIGKILL to web"));
    return line?.replace(/^.* to (.*)\)$/, "$1");
  };
  assertEquals(killed(true, "finishing"), "web, the service of web, what web left behind");
  assertEquals(killed(true, "running"), "web, the service of web"); // It has not got its TERM yet.
  assertEquals(killed(false, "finishing"), "web, the service of web");
});

Deno.test("a service is killed with its runsv also when a second signal leaves it no time at all", () => {
  const { story } = tell({
    services: ["web"],
    programs: { web: { termTakes: Infinity, leavesBehind: "running" } },
    signals: [TERM(10), TERM(10)],
  });
  assert(story.includes("10 (SIGKILL to web, the service of web)"), story.join("\n"));
});

Deno.test("a drain comes before all other steps of a stop, and a second signal cuts it short", () => {
  const world: World = {
    options: ["--", "main"],
    environment: [["DRAIN_SECONDS", "5"]],
    scripts: { preShutdown: ["/pre"] },
    programs: { pre: { endsAfter: 0 }, main: { termTakes: 1 } },
    signals: [TERM(10)],
  };
  const { story, seconds } = tell(world);
  assert(story.includes("10 Draining for 5 seconds..."));
  assert(story.includes("15 Running /pre..."));
  assertEquals(seconds, 16);
  assertEquals(tell({ ...world, signals: [TERM(10), TERM(11)] }).seconds, 12);
  const programs = { main: { endsAfter: 2 }, pre: { endsAfter: 0 } };
  const ended = tell({ ...world, programs, signals: [] });
  assertEquals(ended.seconds, 2); // Nobody sends requests to a command that has ended.
});

Deno.test("during a drain a service that has crashed is started again after its pause", () => {
  const { story } = tell({
    environment: [["DRAIN_SECONDS", "5"]],
    services: ["web"],
    plans: { web: { backoff: 3 } },
    programs: { web: { crashesAfter: [11] } },
    signals: [TERM(10)],
  });
  assertEquals(story.filter((line) => line.includes("(web starts)")).length, 2, story.join("\n"));
});

Deno.test("a cycle, and a name that nothing has, are one line and status 1", () => {
  const unknown = tell({ services: ["web"], plans: { web: { needs: ["dbb"] } } });
  assertEquals(unknown.status, 1);
  assertEquals(unknown.story.slice(0, 2), [
    "0 Service web needs dbb, which is not in /etc/service: correct /etc/service/web/needs",
    "0 Init system aborted.",
  ]);
  const services = ["a", "b", "c"];
  const circle = { a: { needs: ["b"] }, b: { needs: ["c"] }, c: { needs: ["b"] } };
  const { status, story } = tell({ services, plans: circle });
  assertEquals(status, 1);
  assert(story[0].includes("Services wait for each other: b needs c needs b;"), story[0]);
});

Deno.test("findFault() finds nothing where two services need the same one", () => {
  const plan = (...needs: string[]): Plan => ({
    needs,
    readyBy: "time",
    unhealthy: false,
    ownsDescendants: false,
    down: false,
  });
  const plans: Plans = { a: plan("b", "c"), b: plan("d"), c: plan("d"), d: plan() };
  assertEquals(findFault(plans, ["a", "b", "c", "d"]), undefined);
});

Deno.test("parseNeeds() takes a name a line; parseGiveUp() a number and a time", () => {
  assertEquals(parseNeeds("db\n\n# the cache\n  cache \ndb\n"), ["db", "cache"]);
  assertEquals(parseGiveUp("5 in 60\n"), { ends: 5, seconds: 60 });
  assertEquals(parseGiveUp("5 in 2m"), { ends: 5, seconds: 120 });
  for (const text of ["5", "0 in 60", "5 in soon", "in 60", "x in 60"]) {
    assertEquals(parseGiveUp(text), undefined, text);
  }
});

Deno.test("a service with a backoff of 0 is started again at once", () => {
  const { story } = tell({
    services: ["web"],
    plans: { web: { backoff: 0 } },
    programs: { web: { crashesAfter: [2] } },
    signals: [TERM(20)],
  });
  assertEquals(story.filter((line) => line.includes("(web starts)")).length, 2, story.join("\n"));
});

Deno.test("a service that somebody wants down in its pause stays down", () => {
  const plan: Plan = {
    needs: [],
    readyBy: "time",
    backoff: 9,
    unhealthy: false,
    ownsDescendants: false,
    down: false,
  };
  const end = { name: "web", status: 1, how: "itself", seconds: 0 } as const;
  const paused: Service = transition(newService(plan, 0), { type: "ended", end }, plan, 1);
  assertEquals(paused.state, "backing off");
  const result = transition(paused, { type: "ordered", result: "unwanted" }, plan, 2);
  assertEquals(result.state, "down");
});

Deno.test("a service that was just told to start is not taken for down, so --wait-ready waits for it", () => {
  const plan: Plan = {
    needs: ["db"],
    readyBy: "time",
    unhealthy: false,
    ownsDescendants: false,
    down: false,
  };
  const started = transition(newService(plan, 0), { type: "ordered", result: "up" }, plan, 1);
  const status = { process: "down", seconds: 1, isWanted: false, hasNotified: false } as const;
  const read = (now: number) => transition(started, { type: "read", status }, plan, now).state;
  assertEquals([read(1.01), read(2)], ["starting", "down"]);
});

Deno.test("a service that crashes for hours does not fill the run with marks", () => {
  const { timeline } = live({
    environment: [["TIMELINE", "/boot.svg"]],
    services: ["bad", "slow"],
    plans: { bad: { backoff: 1 }, slow: { readyBy: "notification" } },
    programs: { bad: { crashesAfter: 0, status: 3 }, slow: { readyAfter: Infinity } },
    signals: [TERM(2000)],
  });
  assertEquals(timeline.bootedAt, 60);
  assert(timeline.marks.filter(({ name }) => name === "bad").length <= 22);
});
