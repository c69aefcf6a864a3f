import { assert, assertEquals } from "@std/assert";
import { SIGNALS } from "../../posix/signals.ts";
import { SERVICE_ENDED } from "../../supervisor/conventions.ts";
import { live } from "./simulation.ts";

Deno.test("a boot without anything to run starts runit and waits", () => {
  const { story, status } = live({ signals: [[3, SIGNALS.SIGTERM]] });
  assertEquals(story, [
    "0 (environment is unread)",
    "0 Booting runit daemon...",
    "0 Runit started as PID 10",
    "3 (received SIGTERM)",
    "3 Shutting down runit daemon (PID 10)...",
    "3 (SIGTERM SIGCONT to /usr/bin/runsvdir)",
    "3 Killing all processes...",
  ]);
  assertEquals(status, 0);
});

Deno.test("a main command runs after the startup files and runit, and gives the status", () => {
  const { story, status } = live({
    options: ["--", "/bin/job"],
    scripts: { startup: ["/etc/my_init.d/a", "/etc/rc.local"] },
    programs: {
      a: { endsAfter: 1 },
      "rc.local": { endsAfter: 1 },
      job: { endsAfter: 5, status: 7 },
    },
  });
  assertEquals(story, [
    "0 (environment is unread)",
    "0 Running /etc/my_init.d/a...",
    "1 (environment is stale)",
    "1 Running /etc/rc.local...",
    "2 (environment is stale)",
    "2 Booting runit daemon...",
    "2 Runit started as PID 12",
    "2 Running /bin/job...",
    "7 /bin/job exited with status 7.",
    "7 Shutting down runit daemon (PID 12)...",
    "7 (SIGTERM SIGCONT to /usr/bin/runsvdir)",
    "7 Killing all processes...",
  ]);
  assertEquals(status, 7);
});

Deno.test("the shutdown goes from the scripts before it over the services to the last process", () => {
  const { story, status, seconds } = live({
    options: ["--", "main"],
    scripts: { preShutdown: ["/pre/drain"], postShutdown: ["/post/log"] },
    programs: { main: { termTakes: 1, status: 0 }, drain: { endsAfter: 1 }, log: { endsAfter: 1 } },
    services: ["web", "db"],
    others: ["orphan"],
    signals: [[10, SIGNALS.SIGTERM]],
  });
  assertEquals(story.slice(4), [
    "10 (received SIGTERM)",
    "10 Running /pre/drain...",
    "11 Shutting down main (PID 14)...",
    "11 (SIGTERM SIGCONT to main)",
    "12 main exited with status 0.",
    "12 Shutting down runit daemon (PID 11)...",
    "12 (SIGTERM SIGCONT to /usr/bin/runsvdir)",
    "12 (SIGTERM SIGCONT to web, db)",
    "12 Running /post/log...",
    "13 Killing all processes...",
    "13 (SIGTERM SIGCONT to all processes)",
  ]);
  assertEquals({ status, seconds }, { status: 0, seconds: 13 });
});

Deno.test("a failed startup script aborts the boot with status 1, and the last scripts still run", () => {
  const { story, status } = live({
    options: ["--", "main"],
    scripts: { startup: ["/a", "/b"], preShutdown: ["/pre"], postShutdown: ["/post"] },
    programs: { a: { endsAfter: 1, status: 3 }, post: { endsAfter: 1 } },
  });
  assertEquals(story.slice(1), [
    "0 Running /a...",
    "1 /a failed with status 3",
    "1 Init system aborted.",
    "1 Running /post...",
    "2 Killing all processes...",
    "2 Ending with status 1: /a failed with status 3",
  ]);
  assertEquals(status, 1);
});

Deno.test("a startup script that a signal killed has failed", () => {
  const { story, status } = live({
    scripts: { startup: ["/a"] },
    programs: { a: { endsAfter: 0, status: 137 } },
  });
  assertEquals(story[2], "0 /a failed with status 137 (killed by SIGKILL)");
  assertEquals(status, 1);
});

Deno.test("a stop in the middle of the boot ends the script, starts nothing more, and gives 128 + n", () => {
  const { story, status } = live({
    options: ["--", "main"],
    scripts: { startup: ["/a", "/b"] },
    signals: [[2, SIGNALS.SIGTERM]],
  });
  assertEquals(story.slice(1), [
    "0 Running /a...",
    "2 (received SIGTERM)",
    "2 Init system aborted.",
    "2 Shutting down /a (PID 10)...",
    "2 (SIGTERM SIGCONT to /a)",
    "2 Killing all processes...",
  ]);
  assertEquals(status, 143); // The same as when the signal kills the main command a moment later.
});

Deno.test("a runsv that sleeps, since its service ended at once, is not waited for", () => {
  const { story, seconds } = live({
    options: ["--", "main"],
    programs: {
      main: { endsAfter: 0, status: 0 },
      quick: { childless: "down", termTakes: 1 },
      slow: { termTakes: 0.2 },
    },
    services: ["quick", "slow"],
  });
  assertEquals(story.slice(-3), [
    "0 (SIGTERM SIGCONT to quick, slow)",
    "0.01 (SIGKILL to quick)",
    "0.2 Killing all processes...",
  ]);
  assertEquals(seconds, 0.2);
});

Deno.test("a runsv whose service has ended, and whose finish script is still to be started, is waited for (B27)", () => {
  const { story, seconds } = live({
    options: ["--", "main"],
    programs: {
      main: { endsAfter: 0, status: 0 },
      web: { childless: "before finish", termTakes: 1 },
    },
    services: ["web"],
  });
  assertEquals(story.filter((line) => line.includes("SIGKILL")), []);
  assertEquals(seconds, 1);
});

Deno.test("a main command that cannot be run gives its status", () => {
  const { story, status } = live({
    options: ["--skip-runit", "--", "nosuch"],
    programs: { nosuch: { cannotStart: 127 } },
  });
  assertEquals(story.slice(1), [
    "0 Running nosuch...",
    "0 Cannot run nosuch: because",
    "0 Killing all processes...",
  ]);
  assertEquals(status, 127);
});

Deno.test("the end of runsvdir ends the container with its status, main command or not", () => {
  for (const options of [[], ["--", "main"]]) {
    const { story, status } = live({
      options,
      programs: { runsvdir: { endsAfter: 4, status: 111 } },
    });
    assert(story.includes("4 Runit exited with status 111"));
    assertEquals(status, 111);
  }
});

Deno.test("what ignores SIGTERM is killed, and the whole stop is over within 9 seconds", () => {
  const stubborn = { termTakes: Infinity };
  const { story, status, seconds } = live({
    options: ["--", "main"],
    scripts: { preShutdown: ["/pre"], postShutdown: ["/post"] },
    programs: { pre: {}, post: {}, main: stubborn, runsvdir: stubborn, web: stubborn, x: stubborn },
    services: ["web"],
    others: ["x"],
    signals: [[1, SIGNALS.SIGTERM]],
  });
  assertEquals(story.slice(4).filter((line) => !/\(SIG|For more time/.test(line)), [
    "1 (received SIGTERM)",
    "1 Running /pre...",
    "4 /pre (PID 14) did not shut down in time. Forcing it to exit.",
    "4 /pre failed with status 137 (killed by SIGKILL)",
    "4 Shutting down main (PID 13)...",
    "7 main (PID 13) did not shut down in time. Forcing it to exit.",
    "7 main exited with status 137. (killed by SIGKILL)",
    "7 Shutting down runit daemon (PID 11)...",
    "7.5 runit daemon (PID 11) did not shut down in time. Forcing it to exit.",
    "8 Services did not shut down in time: web (PID 12). Forcing them to exit.",
    "8 Running /post...",
    "9 /post (PID 15) did not shut down in time. Forcing it to exit.",
    "9 /post failed with status 137 (killed by SIGKILL)",
    "9 Killing all processes...",
    "9.8 Not all processes have exited in time. Forcing them to exit.",
  ]);
  assertEquals({ status, seconds }, { status: 137, seconds: 9.8 });
});

Deno.test("a second stop signal ends the waiting, and the last scripts get a second", () => {
  const stubborn = { termTakes: Infinity };
  const { story, seconds } = live({
    options: ["--", "main"],
    scripts: { preShutdown: ["/pre", "/pre2"], postShutdown: ["/post"] },
    programs: { main: stubborn, post: { endsAfter: 0.5 } },
    signals: [[1, SIGNALS.SIGTERM], [2, SIGNALS.SIGINT]],
  });
  assert(story.includes("2 Skipping /pre2: no time is left"));
  assert(story.includes("2 Running /post..."));
  assertEquals(seconds, 2.5);
});

Deno.test("with KILL_PROCESS_TIMEOUT=0 nothing is waited for: it leaves no overall timeout", () => {
  const { story, seconds } = live({
    options: ["--skip-runit", "--", "main"],
    environment: [["KILL_PROCESS_TIMEOUT", "0"]],
    programs: { main: { termTakes: Infinity } },
    signals: [[1, SIGNALS.SIGTERM]],
  });
  assert(story.includes("1 main (PID 10) did not shut down in time. Forcing it to exit."));
  assertEquals(seconds, 1);
});

Deno.test("a long KILL_PROCESS_TIMEOUT is granted in full", () => {
  const { seconds, status } = live({
    options: ["--skip-runit", "--", "main"],
    environment: [["KILL_PROCESS_TIMEOUT", "300"]],
    programs: { main: { termTakes: 250, status: 5 } },
    signals: [[1, SIGNALS.SIGTERM]],
  });
  assertEquals({ seconds, status }, { seconds: 251, status: 5 });
});

Deno.test("other signals are forwarded to the main command", () => {
  const { story } = live({
    options: ["--skip-runit", "--", "main"],
    programs: { main: { endsAfter: 5 } },
    signals: [[1, SIGNALS.SIGHUP], [2, SIGNALS.SIGUSR1]],
  });
  assert(story.includes("1 (SIGHUP to main)"));
  assert(story.includes("2 (SIGUSR1 to main)"));
});

Deno.test("a failing pre_shutdown script is reported, and all else goes on", () => {
  const { story, status } = live({
    options: ["--", "main"],
    scripts: { preShutdown: ["/pre"], postShutdown: ["/post"] },
    programs: { main: { endsAfter: 1 }, pre: { endsAfter: 0, status: 9 }, post: { endsAfter: 0 } },
  });
  assert(story.includes("1 /pre failed with status 9"));
  assert(story.includes("1 Running /post..."));
  assertEquals(status, 0);
});

Deno.test("--no-kill-all-on-exit leaves the others alone", () => {
  const { story } = live({
    options: ["--skip-runit", "--no-kill-all-on-exit", "--", "main"],
    programs: { main: { endsAfter: 1 } },
    others: ["orphan"],
  });
  assertEquals(story.at(-1), "1 main exited with status 0.");
});

Deno.test("the end of a critical service ends the container with its status", () => {
  const { story, status } = live({
    services: ["web", "db"],
    critical: ["db"],
    programs: { web: {}, db: { endsAfter: 3, status: 4 } },
    signals: [[1, SERVICE_ENDED], [3.1, SERVICE_ENDED]],
  });
  assert(story.includes("3.1 Critical service db ended with status 4"));
  assertEquals(status, 4);
});

Deno.test("a service with a timeout of its own gets it", () => {
  const { seconds } = live({
    services: ["web", "db"],
    timeouts: { db: 30 },
    programs: { web: { termTakes: 20 }, db: { termTakes: 20 } },
    signals: [[1, SIGNALS.SIGTERM]],
  });
  assertEquals(seconds, 21);
});

Deno.test("a startup script changes the environment by the directory; what the directory never held stays", () => {
  const { environment } = live({
    environment: [["GIVEN", "1"], ["HOME", "/root"], ["a/b", "2"], ["FILE__KEY", "/run/key"]],
    directory: [["GIVEN", "file"], ["FILE", "3"], ["GONE", "4"]],
    files: { "/run/key": "secret" },
    scripts: { startup: ["/first", "/second"] },
    programs: {
      first: { endsAfter: 1, writes: { NEW: "5", FILE: "6", GONE: undefined } },
      second: { endsAfter: 1, writes: { GIVEN: "7" } },
    },
    signals: [[3, SIGNALS.SIGTERM]],
  });
  assertEquals(Object.fromEntries(environment), {
    ...{ GIVEN: "7", FILE: "6", NEW: "5", HOME: "/root", "a/b": "2" },
    ...{ FILE__KEY: "/run/key", KEY: "secret" },
  });
});

Deno.test("when a script takes a secret away, the value that the directory has counts again", () => {
  const { environment } = live({
    options: ["--skip-runit", "--", "main"],
    environment: [["FILE__KEY", "/run/key"]],
    directory: [["KEY", "public"]],
    files: { "/run/key": "secret" },
    scripts: { startup: ["/script"] },
    programs: { script: { endsAfter: 1, writes: { FILE__KEY: undefined } } },
    signals: [[2, SIGNALS.SIGTERM]],
  });
  assertEquals(environment, [["KEY", "public"]]);
});

Deno.test("a timeout that a startup script sets counts for the stop", () => {
  const { seconds } = live({
    options: ["--skip-runit", "--", "main"],
    scripts: { startup: ["/set"] },
    programs: {
      set: { endsAfter: 0, writes: { KILL_PROCESS_TIMEOUT: "20" } },
      main: { termTakes: 15 },
    },
    signals: [[1, SIGNALS.SIGTERM]],
  });
  assertEquals(seconds, 16);
});

Deno.test("a stop in the first second does not wait for the runsv of the service that ends last", () => {
  for (const childless of ["down", "down by SIGTERM"] as const) {
    const { seconds } = live({
      services: ["log"],
      last: ["log"],
      programs: { log: { termTakes: 1, childless } },
      signals: [[3, SIGNALS.SIGTERM]],
    });
    assert(seconds < 3.5, `${childless}: ${seconds}`);
  }
});

const notifications = (story: string[]) =>
  story.filter((line) => /\((READY|STOPPING)=1/.test(line));

Deno.test("NOTIFY_SOCKET is told once that all services are ready, and once that the stop begins", () => {
  const { story } = live({
    environment: [["NOTIFY_SOCKET", "/notify"], ["DRAIN_SECONDS", "1"]],
    scripts: { startup: ["/a"], preShutdown: ["/pre"] },
    programs: { a: { endsAfter: 2 }, pre: { endsAfter: 1 }, db: { readyAfter: 4 } },
    services: ["db", "web", "off"],
    plans: { db: { readyBy: "notification" }, web: { needs: ["db"] }, off: { down: true } },
    orders: [[60, "restart", "db"]],
    signals: [[100, SIGNALS.SIGTERM], [100.5, SIGNALS.SIGTERM]],
  });
  const [ready, stopping, ...more] = notifications(story);
  assert(/^[67](\.\d+)? \(READY=1 to \/notify\)$/.test(ready), ready);
  assertEquals([stopping, more], ["100 (STOPPING=1 to /notify)", []]);
  const stop = story.slice(story.indexOf("100 (received SIGTERM)"));
  assertEquals(stop.slice(1, 3), [stopping, "100 Draining for 1 seconds..."]);
});

Deno.test("with a command NOTIFY_SOCKET is told READY=1 when that has been started, too", () => {
  const { story } = live({
    options: ["--wait-ready", "--", "main"],
    environment: [["NOTIFY_SOCKET", "@notify"]],
    programs: { main: { endsAfter: 5 }, db: { readyAfter: 2 } },
    services: ["db"],
    plans: { db: { readyBy: "check" } },
  });
  const main = story.findIndex((line) => line.endsWith(" Running main..."));
  const at = story[main].split(" ")[0];
  assertEquals(story[main + 1], `${at} (READY=1 to @notify)`);
  assertEquals(notifications(story).length, 2);
});

Deno.test("NOTIFY_SOCKET is told nothing of a boot that fails but that it stops", () => {
  const { story } = live({
    environment: [["NOTIFY_SOCKET", "/notify"]],
    scripts: { startup: ["/a"] },
    programs: { a: { endsAfter: 1, status: 3 } },
  });
  assertEquals(notifications(story), ["1 (STOPPING=1 to /notify)"]);
});

Deno.test("a NOTIFY_SOCKET that cannot be written to gets one warning, and everything goes on", () => {
  const refusal = "Cannot write to NOTIFY_SOCKET /notify: No such file or directory";
  const { story, status } = live({
    environment: [["NOTIFY_SOCKET", "/notify"]],
    refusal,
    signals: [[9, SIGNALS.SIGTERM]],
  });
  assertEquals(story.filter((line) => line.includes(refusal)), [`0 ${refusal}`]);
  assertEquals(status, 0);
});

Deno.test("a service that keeps READY=1 waiting is named", () => {
  const { story } = live({
    environment: [["NOTIFY_SOCKET", "/notify"]],
    programs: { db: { readyAfter: Infinity } },
    services: ["db"],
    plans: { db: { readyBy: "notification" } },
    signals: [[30, SIGNALS.SIGTERM]],
  });
  const late =
    "READY=1 waits for service db, not ready after 10 s: it does not say that it is ready";
  assert(story.some((line) => line.endsWith(late)), story.join("\n"));
});
