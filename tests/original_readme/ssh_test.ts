// "Login to the container, or running a command inside it, via SSH"
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { ensureProgram } from "../../build/packages.ts";
import { type Container, derive, runContainer, startContainer } from "../support/container.ts";
import { project } from "../support/namespace.ts";
import { until } from "../support/until.ts";
import { typed } from "../support/reader.ts";
import { Terminal } from "../support/terminal.ts";

await ensureProgram("ssh", ["openssh-client"]);

// What keeps the reader's own files, and known hosts of other containers, out of this.
const SSH =
  "ssh -F /dev/null -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR";
const onXenial = (await runContainer(["cat", "/etc/os-release"])).stdout.includes('"16.04"');
const keys = join(project, "image/services/sshd/rootfs/etc");

/** A directory of the reader's, with a private key that ssh accepts. */
async function folderWith(key: string): Promise<{ key: string } & AsyncDisposable> {
  const folder = await Deno.makeTempDir({ prefix: "reader-" });
  const made = await typed(`cd ${folder} && ${key}`);
  assertEquals(made.status, 0, made.stderr);
  return {
    key: join(folder, "key"),
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

const insecureKey = () => folderWith(`cp ${keys}/insecure_key key && chmod 600 key`);

/** The container's address, once sshd answers there. */
async function addressOf(container: Container): Promise<string> {
  const { stdout } = await typed(
    `docker inspect -f "{{ .NetworkSettings.IPAddress }}" ${container.name}`,
  );
  const address = stdout.trim();
  const answers = `timeout 2 bash -c 'exec 3<>/dev/tcp/${address}/22 && read -r -u 3 line'`;
  await until(async () => (await typed(answers)).status === 0, 30, () => `sshd at ${address}`);
  return address;
}

Deno.test("sshd is off by default, and there are no host keys", async () => {
  await using container = await startContainer();
  await container.booted();
  assertEquals((await container.exec("pgrep", "-x", "sshd")).status, 1);
  assertEquals(await container.sh("ls /etc/ssh | grep ssh_host || :"), "");
});

Deno.test("the insecure key, for one container only", async (test) => {
  await using reader = await insecureKey();
  const greet = async (container: Container) =>
    await typed(`${SSH} -i ${reader.key} root@${await addressOf(container)} echo hello world`);
  const greeted = { status: 0, stdout: "hello world\n", stderr: "" };
  await using container = await startContainer(["/sbin/my_init", "--enable-insecure-key"]);

  await test.step("--enable-insecure-key starts sshd, and says what it does (B29)", async () => {
    await container.says("Installing insecure SSH key for user root");
    assertEquals(await greet(container), greeted);
  });
  await test.step("a login opens a shell on a terminal", async () => {
    const address = await addressOf(container);
    await using terminal = new Terminal(`${SSH} -i ${reader.key} root@${address}`);
    await terminal.shows("# ");
    assertEquals(await terminal.answer("id -un; test -t 0 && pwd"), "root\n/root");
    await terminal.type("exit 5\n");
    assertEquals(await terminal.status(), 5);
  });
  await test.step("it is still there after docker stop and docker start", async () => {
    const hostKey = await container.sh("cat /etc/ssh/ssh_host_ed25519_key.pub");
    await container.restart();
    assertEquals(await greet(container), greeted);
    assertEquals(await container.sh("cat /etc/ssh/ssh_host_ed25519_key.pub"), hostKey);
  });
  await test.step("another container does not have it", async () => {
    await using other = await startContainer([], { options: ["-e", "ENABLE_SSH=1"] });
    const { status, stderr } = await greet(other);
    assertEquals(status, 255);
    assert(stderr.includes("Permission denied (publickey)"), stderr);
  });
});

Deno.test("the insecure key, in the image permanently", async () => {
  await using reader = await insecureKey();
  await using built = await derive(`
    RUN rm -f /etc/service/sshd/down
    RUN /usr/sbin/enable_insecure_key
  `);
  await using container = await startContainer([], { from: built.name });
  const address = await addressOf(container);
  assertEquals(
    (await typed(`${SSH} -i ${reader.key} root@${address} echo hello world`)).stdout,
    "hello world\n",
  );
});

Deno.test("a key of one's own, and host keys that are made in the Dockerfile", async (test) => {
  await using reader = await folderWith("ssh-keygen -q -t rsa -N '' -f key");
  await using built = await derive(
    `
    RUN rm -f /etc/service/sshd/down
    RUN /etc/my_init.d/00_regen_ssh_host_keys.sh
    ADD your_key.pub /tmp/your_key.pub
    RUN cat /tmp/your_key.pub >> /root/.ssh/authorized_keys && rm -f /tmp/your_key.pub
    RUN cat /etc/ssh/ssh_host_*_key.pub >/host_keys
    `,
    { "your_key.pub": await Deno.readTextFile(`${reader.key}.pub`) },
  );
  await using container = await startContainer([], {
    from: built.name,
    options: ["-e", `MY_NAME=Apachai "Hopachai" $x`],
  });
  const address = await addressOf(container);

  await test.step("runs a command, with the container's environment, and gives its status", async () => {
    assertEquals(
      await typed(`${SSH} -i ${reader.key} root@${address} 'echo $MY_NAME; exit 7'`),
      { status: 7, stdout: 'Apachai "Hopachai" $x\n', stderr: "" },
    );
  });
  const modern = onXenial ? [] : ["rsa-sha2-512"];
  for (const type of ["ssh-ed25519", "ecdsa-sha2-nistp256", ...modern]) {
    await test.step(`the host can show its key of type ${type}`, async () => {
      const line = `${SSH} -o HostKeyAlgorithms=${type} -i ${reader.key} root@${address} true`;
      assertEquals(await typed(line), { status: 0, stdout: "", stderr: "" });
    });
  }
  await test.step("a client of 2016 can log in: Java's JSch, Ruby's net-ssh, Python's paramiko", async () => {
    const old = {
      KexAlgorithms: "ecdh-sha2-nistp256",
      HostKeyAlgorithms: "ecdsa-sha2-nistp256",
      Ciphers: "aes128-ctr",
      MACs: "hmac-sha2-256",
    };
    const options = Object.entries(old).map(([name, value]) => `-o ${name}=${value}`).join(" ");
    const line = `${SSH} ${options} -i ${reader.key} root@${address} true`;
    assertEquals(await typed(line), { status: 0, stdout: "", stderr: "" });
  });
  const broken = {
    HostKeyAlgorithms: "ssh-rsa",
    KexAlgorithms: "diffie-hellman-group14-sha1",
    Ciphers: onXenial ? "chacha20-poly1305@openssh.com" : "aes128-cbc", // Terrapin
    MACs: "hmac-sha1",
  };
  for (const [name, value] of Object.entries(broken)) {
    await test.step(`nobody can log in by ${value}, which is broken`, async () => {
      const gcm = name === "MACs" ? "-o Ciphers=aes128-ctr" : ""; // Others bring a MAC of their own.
      const line = `${
        SSH.replace("ERROR", "INFO")
      } ${gcm} -o ${name}=${value} -i ${reader.key} root@${address} true`;
      const { status, stderr } = await typed(line);
      assertEquals(status, 255);
      assertStringIncludes(stderr, "no matching");
    });
  }
  await test.step("the RSA key has 3072 bits or more", async () => {
    const [bits] = (await container.sh("ssh-keygen -l -f /etc/ssh/ssh_host_rsa_key.pub")).split(
      " ",
    );
    assert(Number(bits) >= 3072, bits);
  });
  await test.step("nothing but a key is asked for (B32)", async () => {
    const talkative = SSH.replace("LogLevel=ERROR", "LogLevel=DEBUG");
    const { status, stderr } = await typed(
      `${talkative} -o PreferredAuthentications=none root@${address} true`,
    );
    assertEquals(status, 255);
    const methods = [...stderr.matchAll(/Authentications that can continue: (.*?)\r?\n/g)];
    assert(methods.length > 0, stderr);
    for (const [, method] of methods) assertEquals(method, "publickey");
  });
  await test.step("the boot keeps the image's host keys; -f makes new ones", async () => {
    const { stdout: old } = await container.exec("cat", "/host_keys");
    assertEquals(await container.sh("cat /etc/ssh/ssh_host_*_key.pub"), old);
    await container.sh("/etc/my_init.d/00_regen_ssh_host_keys.sh -f");
    const keys = await container.sh("cat /etc/ssh/ssh_host_*_key.pub");
    assert(keys !== old);
    for (const type of ["ssh-rsa", "ecdsa-sha2", "ssh-ed25519"]) assert(keys.includes(type), keys);
  });
});

Deno.test("ENABLE_SSH and SSH_AUTHORIZED_KEYS need no Dockerfile (W10)", async (test) => {
  await using reader = await folderWith("ssh-keygen -q -t ed25519 -N '' -f key");
  const key = await Deno.readTextFile(`${reader.key}.pub`);
  const lines = [
    "# mine",
    "",
    `from="172.0.0.0/8,10.0.0.0/8,192.168.0.0/16" ${key.trim()}`,
    "ssh-rsa AAAAB3NzaNotAKeyAtAll",
  ];
  await using container = await startContainer([], {
    options: ["-e", "ENABLE_SSH=1", "-e", `SSH_AUTHORIZED_KEYS=${lines.join("\n")}`],
  });
  const address = await addressOf(container);
  await test.step("a key opens, with options before it, too", async () => {
    assertEquals((await typed(`${SSH} -i ${reader.key} root@${address} echo in`)).stdout, "in\n");
  });
  await test.step("a line that is no key is named, and is left out", async () => {
    const { stderr } = await container.logs();
    assertEquals(stderr.match(/\*\*\* .*SSH_AUTHORIZED_KEYS.*/g), [
      '*** Line 4 of SSH_AUTHORIZED_KEYS is not a public key that sshd knows: "ssh-rsa AAAA..."; left out',
    ]);
    assertEquals(await container.sh("cat /root/.ssh/authorized_keys"), `${lines[2]}\n`);
  });
});

Deno.test("host keys of one's own, without the script that makes them; lines added to sshd_config count", async () => {
  await using reader = await folderWith("ssh-keygen -q -t ed25519 -N '' -f key");
  await using built = await derive(
    `
    RUN rm -f /etc/my_init.d/00_regen_ssh_host_keys.sh /etc/service/sshd/down
    RUN ssh-keygen -q -t rsa -N '' -f /etc/ssh/ssh_host_rsa_key
    RUN echo 'X11Forwarding no' >> /etc/ssh/sshd_config
    RUN sed -i 's/^#Port 22/Port 2222/' /etc/ssh/sshd_config
    COPY your_key.pub /root/.ssh/authorized_keys
    `,
    { "your_key.pub": await Deno.readTextFile(`${reader.key}.pub`) },
  );
  await using container = await startContainer([], { from: built.name });
  await container.booted();
  const address = await container.inspect("{{ .NetworkSettings.IPAddress }}");
  const line = `${SSH} -p 2222 -i ${reader.key} root@${address} sshd -T`;
  await until(async () => (await typed(line)).stdout.includes("x11forwarding no"), 20);
});

Deno.test("a run script of one's own gets a password in that the end of sshd_config allows, on an empty /run", async () => {
  await using built = await derive(
    `
    COPY run /etc/service/own/run
    RUN ssh-keygen -A && echo root:of-2016 | chpasswd
    RUN echo 'PermitRootLogin yes' >> /etc/ssh/sshd_config
    RUN echo 'PasswordAuthentication yes' >> /etc/ssh/sshd_config
    `,
    { run: "#!/bin/sh\nexec /usr/sbin/sshd -D -e\n" },
  );
  await using folder = await folderWith("printf '#!/bin/sh\\necho of-2016\\n' >key; chmod +x key");
  await using container = await startContainer([], {
    from: built.name,
    options: ["--tmpfs", "/run"],
  });
  const address = await addressOf(container);
  const line = `${SSH} -o PreferredAuthentications=password root@${address} echo in`;
  const { stdout, stderr } = await typed(line, {
    SSH_ASKPASS: folder.key,
    SSH_ASKPASS_REQUIRE: "force",
  });
  assertEquals(stdout, "in\n", stderr);
});

/** What Dockerfiles do with sshd_config, and the settings that sshd must have then. */
const edits: Record<string, string> = {
  ":": "passwordauthentication no",
  "s/^#PasswordAuthentication yes/PasswordAuthentication no/": "passwordauthentication no",
  "s/^#\\?PasswordAuthentication .*/PasswordAuthentication yes/": "passwordauthentication yes",
  "s/PasswordAuthentication no/PasswordAuthentication yes/": "passwordauthentication yes",
  "+PasswordAuthentication yes": "passwordauthentication yes",
  "s/#\\?PermitRootLogin .*/PermitRootLogin yes/": "permitrootlogin yes",
  "s/^#PermitRootLogin.*/PermitRootLogin yes/": "permitrootlogin yes",
  "+PermitRootLogin yes": "permitrootlogin yes",
  "s/UsePAM yes/UsePAM no/": "usepam no",
  "+UsePAM no": "usepam no",
  "s/^#Port 22/Port 2222/": "port 2222",
  "s/#\\?Port .*/Port 2222/": "port 2222",
  "+Port 2222": "port 2222",
  "s/#PermitEmptyPasswords no/PermitEmptyPasswords yes/": "permitemptypasswords yes",
  "s/#AuthorizedKeysFile.*/AuthorizedKeysFile \\/keys/": "authorizedkeysfile /keys",
  "+AuthorizedKeysFile /keys": "authorizedkeysfile /keys",
  "s/X11Forwarding yes/X11Forwarding no/": "x11forwarding no",
  "s/#X11UseLocalhost yes/X11UseLocalhost no/": "x11uselocalhost no",
  "s/#PermitUserEnvironment no/PermitUserEnvironment yes/": "permituserenvironment yes",
  "s/#LogLevel INFO/LogLevel VERBOSE/": "loglevel VERBOSE",
  "s/#LoginGraceTime 2m/LoginGraceTime 30/": "logingracetime 30",
  "s/Subsystem\\s*sftp\\s.*/Subsystem sftp internal-sftp/": "subsystem sftp internal-sftp",
  "+KexAlgorithms diffie-hellman-group14-sha1": "kexalgorithms diffie-hellman-group14-sha1",
};
/** Lines that only the file of 16.04's package has. */
const editsOnXenial: Record<string, string> = {
  "s/^Port 22/Port 2222/": "port 2222",
  "s/PermitRootLogin prohibit-password/PermitRootLogin yes/": "permitrootlogin yes",
  "s/^PermitRootLogin .*/PermitRootLogin yes/": "permitrootlogin yes",
  "s/#UsePAM no/UsePAM no/": "usepam no",
  "s/PermitEmptyPasswords no/PermitEmptyPasswords yes/": "permitemptypasswords yes",
  "s/LogLevel INFO/LogLevel VERBOSE/": "loglevel VERBOSE",
  "s/LoginGraceTime 120/LoginGraceTime 30/": "logingracetime 30",
  "s/ChallengeResponseAuthentication no/ChallengeResponseAuthentication yes/":
    "challengeresponseauthentication yes",
  "s/StrictModes yes/StrictModes no/": "strictmodes no",
};

Deno.test("sed and echo in Dockerfiles change sshd_config as their authors meant", async (test) => {
  await using container = await startContainer(["sleep", "1000"]);
  await container.sh("ssh-keygen -A; cp /etc/ssh/sshd_config /original");
  for (const [edit, wanted] of Object.entries({ ...edits, ...(onXenial ? editsOnXenial : {}) })) {
    await test.step(edit, async () => {
      const change = edit.startsWith("+")
        ? `printf '%b\\n' '${edit.slice(1)}' >>sshd_config`
        : `sed -i '${edit}' sshd_config`;
      const [keyword] = wanted.split(" ");
      const got = await container.sh(
        `cd /etc/ssh; cp /original sshd_config; ${change}
        /etc/my_init.d/05_sshd_config.sh
        sshd -T -C user=root,host=h,addr=10.0.0.1 2>&1 | grep -i '^${keyword} '`,
      );
      assertEquals(got.trimEnd(), wanted); // A newer sshd prints a space at the end of some lines.
    });
  }
  await test.step("lines of a Match stay its own", async () => {
    await container.sh(
      `cd /etc/ssh; cp /original sshd_config
      printf 'Match User bin\\nPasswordAuthentication yes\\n' >>sshd_config
      /etc/my_init.d/05_sshd_config.sh`,
    );
    for (const [user, allowed] of [["bin", "yes"], ["root", "no"]]) {
      const asked = ["sshd", "-T", "-C", `user=${user},host=h,addr=10.0.0.1`];
      const { stdout } = await container.exec(...asked);
      assertMatch(stdout, new RegExp(`^passwordauthentication ${allowed}$`, "m"));
    }
  });
  await test.step("a file that was not changed stays as it is", async () => {
    await container.sh(
      "cd /etc/ssh; cp /original sshd_config; /etc/my_init.d/05_sshd_config.sh; cmp /original sshd_config",
    );
  });
});
