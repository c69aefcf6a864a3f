/**
 * Runs images in podman, with a storage and a configuration of its own, so that the machine's podman is not touched.
 *
 * @module
 */
import $ from "@david/dax";
import { ensureProgram } from "../../build/packages.ts";
import { image, type Result } from "./container.ts";
import { quote } from "./namespace.ts";
import { until } from "./until.ts";

/** crun, podman's usual runtime, refuses machines with control groups of both versions; runc does not. */
const configuration = `
[containers]
default_ulimits = [] # The usual ones may be more than root may set.
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs" # There need not be a systemd.
events_logger = "file"
`;

/** Removes a folder with all that is mounted in it. */
const REMOVE = 'grep -o " $1/[^ ]*" /proc/self/mounts | sort -r | xargs -r umount -l; rm -rf "$1"';

/** A podman. Disposing ends its containers, and removes everything. */
export class Podman implements AsyncDisposable {
  /** The image that is tested, and derived ones, as podman calls them. */
  readonly image = `localhost/${image.includes(":") ? image : `${image}:latest`}`;

  private constructor(readonly folder: string, readonly user?: string) {}

  /**
   * Copies images from docker.
   *
   * @param images as docker calls them
   * @param user who runs it; root if absent
   */
  static async with(images: string[], user?: string): Promise<Podman> {
    await ensureProgram("podman");
    await ensureProgram("runc");
    await ensureProgram("/usr/libexec/podman/catatonit", ["catatonit"]);
    if (user) await ensureProgram("newuidmap", ["uidmap"]);
    const folder = await Deno.makeTempDir({ prefix: "podman-" });
    const podman = new Podman(folder, user);
    await podman.#prepare();
    const words = quote(...podman.words("load"));
    const load = await $`sh -c ${`docker save ${quote(...images)} | ${words}`}`
      .stdout("piped").stderr("piped").noThrow();
    if (load.code === 0) return podman;
    await podman[Symbol.asyncDispose]();
    throw new Error(`podman load: ${load.stderr}`);
  }

  /** Makes the user's home and a program `podman` that keeps all that it writes in there. */
  async #prepare(): Promise<void> {
    const { folder, user, home } = this;
    const ofDocker = await $`docker info --format ${"{{.Driver}}"}`.text();
    const driver = ofDocker === "overlay2" ? "overlay" : "vfs"; // Where docker cannot use overlay, podman cannot either.
    const program = `#!/bin/sh
export HOME=${home} XDG_RUNTIME_DIR=${home} TMPDIR=${home} CONTAINERS_CONF=${folder}/containers.conf
exec ${await $.which("podman")} --root ${home}/root --runroot ${home}/run --tmpdir ${home}/tmp \\
  --storage-driver ${driver} "$@"
`;
    await Deno.writeTextFile(`${folder}/containers.conf`, configuration);
    await Deno.writeTextFile(`${folder}/podman`, program);
    await Deno.chmod(`${folder}/podman`, 0o755);
    await Deno.mkdir(home);
    await Deno.chmod(folder, 0o755);
    if (user) await $`chown ${user} ${home}`;
  }

  /** The user's home. */
  get home(): string {
    return `${this.folder}/home`;
  }

  /** A command line that runs podman. */
  words(...words: string[]): string[] {
    return this.asUser(`${this.folder}/podman`, ...words);
  }

  /** A command line that the user runs. */
  asUser(...words: string[]): string[] {
    return [...this.user ? ["runuser", "-u", this.user, "--"] : [], ...words];
  }

  /** Runs podman with these words; whatever they do, within a minute. */
  async run(...words: string[]): Promise<Result> {
    const { code, stdout, stderr } = await $`timeout 60 ${this.words(...words)}`.cwd("/")
      .stdout("piped").stderr("piped").noThrow();
    // Where there is no systemd podman cannot ask for a container's health by itself, and says so.
    const ours = stderr.split("\n").filter((line) => !/systemd connection/.test(line)).join("\n");
    return { status: code, stdout, stderr: ours };
  }

  /** Runs podman, and fails if it fails. Returns what it prints. */
  async must(...words: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.run(...words);
    if (status !== 0) throw new Error(`podman ${words.join(" ")}: status ${status}: ${stderr}`);
    return stdout.trim();
  }

  /** Waits until the log of a container contains a text. */
  async says(container: string, text: string): Promise<void> {
    let log = "";
    const said = async () => {
      const { stdout, stderr } = await this.run("logs", container);
      return (log = stdout + stderr).includes(text);
    };
    await until(said, 60, () => `"${text}" in: ${log}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.run("pod", "rm", "--all", "--force", "--time", "0");
    await this.run("rm", "--all", "--force", "--time", "0");
    if (this.user) await this.run("system", "migrate"); // Ends the process that holds the user's namespace.
    let stderr = "";
    const isGone = async () => { // What cleans up after a container may still be at it, and mount something anew.
      const removal = await $`sh -c ${REMOVE} sh ${this.folder}`.stderr("piped").noThrow();
      stderr = removal.stderr;
      return removal.code === 0;
    };
    await until(isGone, 30, () => stderr);
  }
}
