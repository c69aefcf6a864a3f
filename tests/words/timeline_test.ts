import { assertEquals, assertStringIncludes } from "@std/assert";
import { assertSnapshot } from "@std/testing/snapshot";
import { SIGNALS } from "../../posix/signals.ts";
import { draw } from "../../timeline/draw.ts";
import { type Mark, type Timeline } from "../../timeline/marks.ts";
import { live, type World } from "../unit/simulation.ts";

// Pictures are compared as text. Look at a new one before you accept it by --update.

const world: World = {
  options: ["--", "/app/serve"],
  environment: [["TIMELINE", "/boot.svg"], ["DRAIN_SECONDS", "1"]],
  scripts: {
    startup: ["/etc/my_init.d/10_migrate", "/etc/rc.local"],
    preShutdown: ["/etc/my_init.pre_shutdown.d/say"],
    postShutdown: ["/etc/my_init.post_shutdown.d/log"],
  },
  services: ["db", "web", "bad", "off"],
  plans: {
    db: { readyBy: "check" },
    web: { needs: ["db"] },
    bad: { backoff: 4, giveUp: { ends: 3, seconds: 60 } },
    off: { down: true },
  },
  programs: {
    "10_migrate": { endsAfter: 2.5 },
    "rc.local": { endsAfter: 0.01 },
    say: { endsAfter: 0.2 },
    log: { endsAfter: 0.1 },
    db: { readyAfter: 1.2, termTakes: 0.8 },
    bad: { crashesAfter: 0.5, status: 3 },
    serve: { termTakes: Infinity },
  },
  others: ["left"],
  signals: [[86400, SIGNALS.SIGTERM]],
};

Deno.test("the timeline of a boot, and of a stop a day later", async (test) => {
  const { story, timeline } = live(world);
  assertEquals(story.filter((line) => line.endsWith("(draws)")).length, 2);
  await assertSnapshot(test, draw(timeline));
});

const boot = (marks: Mark[], now = 10): Timeline => ({ begunAt: 0, bootedAt: 10, now, marks });

Deno.test("names in a timeline may be anything", () => {
  const name = '<b>&"\x01\xff caf\xc3\xa9, and so long that it does not fit into its column';
  const svg = draw(boot([{ name, kind: "ready", start: 1 }]));
  assertStringIncludes(svg, '<title>&lt;b>&amp;"?\ufffd café, and so long that it does not fit');
  assertStringIncludes(svg, '>&lt;b>&amp;"?\ufffd café, and so long…<');
});

Deno.test("a timeline with 200 services has a line for each", () => {
  const marks = Array.from({ length: 200 }, (_, i): Mark[] => [
    { name: `service-${i}`, kind: "starting", start: 1, end: 2 + i / 40 },
    { name: `service-${i}`, kind: "ready", start: 2 + i / 40 },
  ]);
  const svg = draw(boot(marks.flat()));
  const lines = [...svg.matchAll(/class="right" x="196" y="(\d+\.?\d*)">/g)].map(([, y]) => y);
  assertEquals([lines.length, new Set(lines).size], [200, 200]);
});
