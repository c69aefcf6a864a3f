/**
 * The programs that tests run, as shell commands and as files.
 *
 * @module
 */

/** Makes a file of shell commands. */
export const script = (commands: string) => `#!/bin/sh\n${commands}\n`;

/** A script that prints one line. */
export const say = (what: string) => script(`echo ${what}`);

/** Runs until a signal ends it. */
export const LOOP = "while :; do sleep 0.02; done";

/** A file that runs until a signal ends it; it can be a service. */
export const LASTS = script("exec sleep 1000");

/** Creates the file that `beside` waits for. */
export const READY = ": >/mnt/ready";

/** Commands that run until TERM, then run `commands` (none: they ignore TERM), and print when they are ready. */
export const onTerm = (commands: string, ready = "echo ready") =>
  `trap '${commands}' TERM; ${ready}; ${LOOP}`;

/** Commands that run a program in the background until it is ready, and then others. */
export const beside = (program: string, then: string) =>
  `${program} & until test -e /mnt/ready; do sleep 0.02; done; ${then}`;

/** Prints "late" if it is still there after so many seconds: a program that is ended in time never does. */
export const lateAfter = (seconds: number) => `sleep ${seconds}; echo late`;

/** Prints the signals that the shell which runs it has blocked and ignored. */
export const showSignals = (pid = "$$") =>
  `while read -r line; do case $line in SigBlk*|SigIgn*) echo $line ;; esac; done </proc/${pid}/status`;

/** What `showSignals` prints when no signal is blocked or ignored. */
export const CLEAN_SIGNALS = "SigBlk: 0000000000000000\nSigIgn: 0000000000000000\n";

/** A program that prints each of these signals when it comes, and ends with 7 on TERM. */
export const listener = (...names: string[]) =>
  `#!/usr/bin/perl
$| = 1;
for my $name (qw(${names.join(" ")})) { $SIG{$name} = sub { print "got $name\\n" } }
$SIG{TERM} = sub { print "got TERM\\n"; exit 7 };
print "ready\\n";
sleep 1 while 1;
`;

/** The directories of scripts, in the order in which they are run. */
export const DIRECTORIES = ["my_init.d", "my_init.pre_shutdown.d", "my_init.post_shutdown.d"];

/** One script in each of these directories. */
export function inEachDirectory(text: (directory: string) => string): Record<string, string> {
  return Object.fromEntries(DIRECTORIES.map((it) => [`/etc/${it}/x`, text(it)]));
}
