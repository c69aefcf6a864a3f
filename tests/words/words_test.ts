import $ from "@david/dax";
import { assertSnapshot } from "@std/testing/snapshot";
import { SIGNALS } from "../../posix/signals.ts";
import { SERVICE_ENDED } from "../../supervisor/conventions.ts";
import { live, type World } from "../unit/simulation.ts";

// All messages of my_init, as users read them. When a text changes, compare the snapshots, and renew them by --update.

const stubborn = { termTakes: Infinity };
const worlds: Record<string, World> = {
  "a run of a command": {
    options: ["--enable-insecure-key", "--", "sh", "-c", "exit 7"],
    scripts: {
      startup: ["/usr/sbin/enable_insecure_key", "/etc/my_init.d/10_first", "/etc/rc.local"],
      preShutdown: ["/etc/my_init.pre_shutdown.d/drain"],
      postShutdown: ["/etc/my_init.post_shutdown.d/log"],
    },
    programs: {
      enable_insecure_key: { endsAfter: 0 },
      "10_first": { endsAfter: 1 },
      "rc.local": { endsAfter: 0 },
      drain: { endsAfter: 1, status: 3 },
      log: { endsAfter: 0, status: 137 },
      sh: { endsAfter: 9, status: 7 },
    },
    services: ["web"],
  },
  "a stop that all programs ignore": {
    options: ["--", "main"],
    scripts: { preShutdown: ["/pre1", "/pre2"], postShutdown: ["/post1", "/post2"] },
    programs: { main: stubborn, runsvdir: stubborn, web: stubborn, db: stubborn, left: stubborn },
    services: ["web", "db"],
    others: ["left"],
    signals: [[1, SIGNALS.SIGTERM]],
  },
  "a boot that fails at a script": {
    scripts: { startup: ["/etc/my_init.d/10_bad"] },
    programs: { "10_bad": { endsAfter: 0, status: 2 } },
  },
  "a boot that is stopped": {
    scripts: { startup: ["/etc/my_init.d/10_slow"] },
    signals: [[2, SIGNALS.SIGTERM]],
  },
  "a command that cannot be run": {
    options: ["--skip-runit", "--", "nosuch"],
    programs: { nosuch: { cannotStart: 127 } },
  },
  "a critical service that ends": {
    services: ["db"],
    critical: ["db"],
    programs: { db: { endsAfter: 3, status: 4 } },
    signals: [[3, SERVICE_ENDED]],
  },
  "services that wait, and that fail": {
    environment: [["DRAIN_SECONDS", "2"]],
    services: ["db", "web", "bad", "off", "shop", "never"],
    plans: {
      web: { needs: ["db"] },
      db: { readyBy: "check" },
      shop: { needs: ["off", "bad", "never"] },
      bad: { backoff: 60, giveUp: { ends: 8, seconds: 200 } },
      off: { down: true },
      never: { readyBy: "notification" },
    },
    programs: {
      db: { readyAfter: 12 },
      bad: { crashesAfter: 0, status: 3 },
      never: { readyAfter: Infinity },
    },
    signals: [[150, SIGNALS.SIGTERM]],
  },
  "a NOTIFY_SOCKET that waits for a service, and then cannot be written to": {
    environment: [["NOTIFY_SOCKET", "/notify"]],
    services: ["db"],
    plans: { db: { readyBy: "notification" } },
    programs: { db: { readyAfter: 15 } },
    refusal: "Cannot write to NOTIFY_SOCKET /notify: No such file or directory",
    signals: [[30, SIGNALS.SIGTERM]],
  },
  "services that need each other in a circle": {
    services: ["db", "web"],
    plans: { web: { needs: ["db"] }, db: { needs: ["web"] } },
  },
  "a service that is not healthy": {
    services: ["web"],
    plans: { web: { unhealthy: true } },
    orders: [[5, "unhealthy", "web"]],
  },
  "a runsvdir that ends": { programs: { runsvdir: { endsAfter: 3, status: 111 } } },
};

for (const [what, world] of Object.entries(worlds)) {
  Deno.test(`what my_init says of ${what}`, async (test) => {
    const { story, status } = live(world);
    const said = story.filter((line) => !/^\S+ \(/.test(line)); // In parentheses is what is done.
    await assertSnapshot(test, [...said, `status ${status}`].join("\n"));
  });
}

for (const program of ["my_init", "setuser"]) {
  Deno.test(`${program} --help`, async (test) => {
    await assertSnapshot(test, await $`dist/${program} --help`.text());
  });
}
