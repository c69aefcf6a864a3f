import { assertEquals } from "@std/assert";
import { type Image, type Node } from "../../check/image.ts";
import { findProblems, type Problem } from "../../check/problems.ts";
import { parseShell } from "../../check/shell.ts";
import { toJson, toLine } from "../../check/words.ts";

/** A file: its content, or more of it. What begins with `#!` is executable. */
type Content = string | Partial<Node>;

/** An image with these files. */
function image(files: Record<string, Content>): Image {
  const nodes: Record<string, Node> = { "/bin/sh": file("\x7fELF"), "/bin/bash": file("\x7fELF") };
  nodes["/usr/bin/python3"] = file("\x7fELF\0");
  for (const [path, content] of Object.entries(files)) {
    nodes[path] = typeof content === "string" ? file(content) : { ...file(""), ...content };
    const parts = path.split("/");
    for (let length = parts.length - 1; length > 1; length--) {
      const directory = parts.slice(0, length).join("/");
      const names = new Set(nodes[directory]?.names ?? []).add(parts[length]);
      nodes[directory] = { type: "directory", mode: 0o755, uid: 0, names: [...names].toSorted() };
    }
  }
  return {
    nodes,
    startup: "/etc/my_init.d",
    services: true,
    users: ["root", "www-data"],
    groups: ["root", "www-data", "docker_env"],
    searchPath: ["/usr/bin", "/bin"],
  };
}

function file(text: string): Node {
  return { type: "file", mode: text.startsWith("#!") ? 0o755 : 0o644, uid: 0, text };
}

/** What is found, each as `file:line kind`. */
function kinds(files: Record<string, Content>): string[] {
  return findProblems(image(files)).map(({ file, line, kind }) => `${file}:${line ?? ""} ${kind}`);
}

/** What is found in the `run` of a service. */
function ofRun(script: string, files: Record<string, Content> = {}): string[] {
  return kinds({ ...files, "/etc/service/web/run": script })
    .map((it) => it.replace("/etc/service/web/run:", ""));
}

const good = "#!/bin/sh\nexec web\n";

Deno.test("an image without a fault has no problems", () => {
  assertEquals(
    kinds({
      "/etc/my_init.d/10_first": "#!/bin/bash\nset -e\necho first\n",
      "/etc/my_init.d/.hidden": "text",
      "/etc/rc.local": "#!/bin/sh -e\nexit 0\n",
      "/etc/my_init.post_shutdown.d/log": "#!/usr/bin/env python3\nprint()\n",
      "/etc/service/web/run": good,
      "/etc/service/web/check": "#!/bin/sh\ncurl -fs localhost\n",
      "/etc/service/web/log/run": "#!/bin/sh\nexec svlogd -tt ./main\n",
      "/etc/service/web/control/t": "#!/bin/sh\nexit 1\n",
      "/etc/service/web/down": "delete this file to have it started\n",
      "/etc/service/web/nginx.conf": "",
      "/etc/cron.d/.placeholder": "# kept",
      "/etc/cron.d/jobs": "A = b\n# c\n\n*/5 * * * * root A=b job\n@daily www-data job\n",
      "/etc/cron.daily/job": "#!/bin/sh\njob\n",
      "/etc/container_environment/LANG": "C",
    }),
    [],
  );
});

Deno.test("a script that is not executable is a problem", () => {
  const plain = { text: good, mode: 0o644 };
  const found = findProblems(image({
    "/etc/my_init.d/README": "no script",
    "/etc/my_init.d/one": plain,
    "/etc/my_init.pre_shutdown.d/two": plain,
    "/etc/my_init.post_shutdown.d/three": plain,
    "/etc/rc.local": plain,
    "/etc/service/web/run": plain,
    "/etc/service/web/check": plain,
    "/etc/service/web/finish": plain,
    "/etc/service/web/control/t": plain,
    "/etc/service/web/log/run": plain,
    "/etc/cron.daily/job": plain,
    "/etc/service/owner/run": { text: good, mode: 0o700 },
  })).map((it) => it.kind === "notExecutable" && `${it.file} ${it.isScript}`);
  assertEquals(found, [
    "/etc/cron.daily/job true",
    "/etc/my_init.d/README false",
    "/etc/my_init.d/one true",
    "/etc/my_init.post_shutdown.d/three true",
    "/etc/my_init.pre_shutdown.d/two true",
    "/etc/rc.local true",
    "/etc/service/web/check true",
    "/etc/service/web/control/t true",
    "/etc/service/web/finish true",
    "/etc/service/web/log/run true",
    "/etc/service/web/run true",
  ]);
});

Deno.test("Windows line ends are a problem in the first line, and in a shell script", () => {
  assertEquals(ofRun("#!/bin/sh\r\nexec web\r\n"), ["1 windowsLineEnds"]);
  assertEquals(ofRun("#!/bin/sh\n\nexec web\r\n"), ["3 windowsLineEnds"]);
  assertEquals(ofRun("#!/usr/bin/python3\nprint(1)\r\n"), []);
  assertEquals(ofRun("#!/bin/sh\ncat <<E\nHTTP/1.0\r\nE\nset -e\nset -u\nexec web\n"), []);
});

Deno.test("a script without an interpreter, or with one that is missing, is a problem", () => {
  assertEquals(ofRun(""), ["notExecutable", "emptyScript"].map((it) => ` ${it}`));
  const executable = (text: string) => kinds({ "/etc/my_init.d/x": { text, mode: 0o755 } });
  assertEquals(executable("exec web\n"), ["/etc/my_init.d/x:1 noInterpreter"]);
  assertEquals(executable("\n#!/bin/sh\n"), ["/etc/my_init.d/x:1 noInterpreter"]);
  assertEquals(executable("\xef\xbb\xbf#!/bin/sh\n"), ["/etc/my_init.d/x:1 byteOrderMark"]);
  assertEquals(executable("\x7fELF\0\0"), []);
  assertEquals(ofRun("#!/bin/nosuch\n"), ["1 missingInterpreter"]);
  assertEquals(ofRun("#! /bin/sh -e\nexec web\n"), []);
});

Deno.test("the interpreter that env looks for must be in PATH, and alone", () => {
  assertEquals(ofRun("#!/usr/bin/env python3\n"), []);
  assertEquals(ofRun("#!/usr/bin/env -S python3 -u\n"), []);
  assertEquals(ofRun("#!/usr/bin/env node\n"), ["1 programNotInPath"]);
  assertEquals(ofRun("#!/usr/bin/env python3 -u\n"), ["1 interpreterAndOptions"]);
});

Deno.test("a link that leads nowhere is a problem", () => {
  const link: Partial<Node> = { type: "nothing", text: undefined };
  assertEquals(
    kinds({ "/etc/service/web": link, "/etc/my_init.d/x": link, "/etc/cron.d/x": link }),
    [
      "/etc/cron.d/x: danglingLink",
      "/etc/my_init.d/x: danglingLink",
      "/etc/service/web: danglingLink",
    ],
  );
});

Deno.test("what is in /etc/service without a run is a problem", () => {
  const found = findProblems(image({
    "/etc/service/a": good,
    "/etc/service/b/run.sh": good,
    "/etc/service/c/down": "",
    "/etc/service/d/log/finish": "#!/bin/sh\n",
    "/etc/service/d/run": good,
  }));
  const expected: Problem[] = [
    { kind: "noDirectory", file: "/etc/service/a", isScript: true },
    { kind: "noRun", file: "/etc/service/b", isDown: false, meant: "run.sh" },
    { kind: "noRun", file: "/etc/service/c", isDown: true, meant: undefined },
    { kind: "noRun", file: "/etc/service/d/log", isDown: false, meant: undefined },
  ];
  assertEquals(found, expected);
});

Deno.test("a run that does not become its program is a problem, at the line of the program", () => {
  for (
    const last of [
      "web",
      "cd /app && node server.js",
      "[ -e /x ] || exec sv down .\nweb",
      "setuser www-data web --port 80",
      "A=b web \\\n  -x",
      "web >>/log 2>&1",
      "su www-data -c 'exec web'",
      "sv start db || exit 1\nweb",
      "if true; then echo; fi\nfor x in 1 2; do echo $x; done\nweb",
      "case $1 in a) x ;; (b | c) y ;; *) z ;; esac; web",
      "f() { echo; }\nf\nweb",
      "cat <<E >/conf\nexec x\nE\nweb",
      "[[ a < b && ( c > d ) ]]; x=$((1 + 2)); y=(a b); (( x > 1 ))\nweb",
    ]
  ) {
    const lines = last.split("\n").filter((it) => !it.startsWith("  ")).length;
    assertEquals(ofRun(`#!/bin/bash\n${last}\n`), [`${lines + 1} noExec`], last);
  }
});

Deno.test("a run that looks after its programs itself, or is not understood, is no problem", () => {
  for (
    const script of [
      "exec web",
      "exec 2>&1\nexec setuser www-data web",
      "if [ -e /x ]; then exec web; else exec other; fi",
      "f() {\n  exec web\n}\nf",
      "f() { web; }\nf",
      "[ -e /x ] && exec web -x\nexec web",
      "web & wait",
      "web &\npid=$!\nwait $pid",
      "trap 'kill $pid' TERM\nweb & pid=$!\nwait\nclean up",
      "while true; do\n  job\n  sleep 60\ndone",
      "while read -r line; do echo $line; done < <(job)",
      "job\nsleep 60",
      "sleep 60\njob",
      "sv once .\njob",
      ". /opt/web/start",
      "web | logger",
      "$COMMAND",
      '"$@"',
      "echo nothing to do",
      "echo 'unfinished",
      "if true; then",
      "fi",
      ")",
      "case x in a) web",
    ]
  ) assertEquals(ofRun(`#!/bin/bash\n${script}\n`), [], script);
  assertEquals(ofRun("#!/usr/bin/python3\nweb\n"), []);
});

Deno.test("a run whose last command goes to the background is a problem", () => {
  assertEquals(ofRun("#!/bin/sh\ncd /\nweb &\n"), ["3 endsAtOnce"]);
  assertEquals(ofRun("#!/bin/sh\nwhile :; do job; done &\n"), ["2 endsAtOnce"]);
  assertEquals(ofRun("#!/bin/sh\nnohup web >/dev/null 2>&1 &\n"), ["2 endsAtOnce"]);
  assertEquals(ofRun("#!/bin/sh\nhelper &\nexec web\n"), []);
});

/** For each daemon: how it goes to the background, and how it stays. */
const daemons: [goes: string, stays: string][] = [
  ["nginx -c /nginx.conf", "nginx -c /off.conf"],
  ["/usr/sbin/nginx", "/usr/sbin/nginx -g 'daemon off;'"],
  ["apache2 -k start", "apache2 -D FOREGROUND"],
  ["apachectl start", "apachectl -DFOREGROUND"],
  ["sshd", "/usr/sbin/sshd -e -D"],
  ["cron", "cron -f"],
  ["rsyslogd -f /x", "rsyslogd -n"],
  ["syslog-ng", "syslog-ng -F"],
  ["named -u bind", "named -g -u bind"],
  ["ntpd -g", "ntpd -n -g"],
  ["php-fpm7.0 -y /fpm.conf", "php-fpm7.0 -F"],
  ["php-fpm7.0 -y /fpm.conf", "php-fpm7.0 -y /fpm-off.conf"],
  ["postfix start", "postfix start-fg"],
  ["dovecot", "dovecot -F"],
  ["vsftpd /vsftpd-yes.conf", "vsftpd"],
  ["haproxy -f /x.cfg -D", "haproxy -f /x.cfg"],
  ["haproxy -f /daemon.cfg", "haproxy -db -f /daemon.cfg"],
  ["redis-server --daemonize yes", "redis-server"],
  ["redis-server /redis.conf", "redis-server /redis.conf --daemonize no"],
  ["memcached -d -u root", "memcached -u root"],
  ["mongod --fork", "mongod"],
  ["mysqld --daemonize", "mysqld"],
  ["supervisord -c /supervisord.conf", "supervisord -n -c /supervisord.conf"],
  ["dnsmasq -C /dnsmasq.conf", "dnsmasq -k"],
  ["smbd -D", "smbd --foreground"],
  ["squid", "squid -NYC"],
  ["slapd -h ldap:///", "slapd -d 0"],
  ["snmpd", "snmpd -f"],
  ["proftpd", "proftpd --nodaemon"],
  ["lighttpd -f /x", "lighttpd -D -f /x"],
  ["exim4 -bd", "exim4 -bdf"],
  ["gunicorn -D app", "gunicorn app"],
  ["catalina.sh start", "/opt/tomcat/bin/catalina.sh run"],
  ["pg_ctlcluster 9.5 main start", "pg_ctlcluster --foreground 9.5 main start"],
  ["service nginx start", "service nginx status"],
  ["/etc/init.d/nginx start", "/etc/init.d/nginx status"],
  ["start-stop-daemon --start -b --exec x", "start-stop-daemon --start --exec x"],
  ["setuser www-data nginx -c /nginx.conf", "setuser www-data nginx -c /off.conf"],
  ["chpst -u www-data -e ./env env -i A=b nice -n 5 cron", "chpst -u www-data cron -f"],
];

Deno.test("a daemon that goes to the background is a problem, one that stays is none", () => {
  const configurations = {
    "/etc/nginx/nginx.conf": "user www-data;\n",
    "/nginx.conf": "# daemon off;\n",
    "/off.conf": "daemon off;\n",
    "/fpm.conf": ";daemonize = no\n",
    "/fpm-off.conf": "daemonize = no\n",
    "/vsftpd-yes.conf": "background=YES\n",
    "/daemon.cfg": "global\n  daemon\n",
    "/redis.conf": "daemonize yes\n",
    "/supervisord.conf": "[supervisord]\n",
    "/dnsmasq.conf": "",
  };
  for (const [goes, stays] of daemons) {
    const last = (command: string) => ofRun(`#!/bin/sh\nexec ${command}\n`, configurations);
    assertEquals(last(goes), ["2 background"], goes);
    assertEquals(last(stays), [], stays);
    assertEquals(ofRun(`#!/bin/sh\n${goes}\n`, configurations), ["2 background"], goes);
  }
});

Deno.test("a daemon of which not all is known is no problem", () => {
  for (
    const command of [
      "nginx", // Its configuration is not there.
      "nginx $OPTIONS",
      'sshd "$@"',
      "cron $(options)",
      "nginx -c /elsewhere.conf",
      "/usr/lib/baseimage/syslog-ng", // A script of that name.
      "$DAEMON",
    ]
  ) assertEquals(ofRun(`#!/bin/sh\nexec ${command}\n`), [], command);
  assertEquals(ofRun("#!/bin/sh\nnginx -t\nsshd -t && exec web\n"), []);
});

Deno.test("a program that ignores TERM is a problem", () => {
  assertEquals(ofRun("#!/bin/sh\nexec mysqld_safe\n"), ["2 ignoresTerm"]);
  assertEquals(ofRun("#!/bin/sh\nexec mysqld --user=mysql\n"), []);
});

Deno.test("an unknown user or group is a problem in every script", () => {
  const line = (command: string) => `#!/bin/sh\n${command} job\n`;
  const found = findProblems(image({
    "/etc/my_init.d/x": line("setuser nosuch"),
    "/etc/rc.local": line("chpst -u www-data:nosuch"),
    "/etc/service/web/run": line("exec /sbin/setuser www-data:nosuch"),
    "/etc/service/web/finish": line("gosu nosuch"),
  })).map((it) => `${it.file}:${it.line} ${it.kind} ${"name" in it && it.name}`);
  assertEquals(found, [
    "/etc/my_init.d/x:2 unknownUser nosuch",
    "/etc/rc.local:2 unknownGroup nosuch",
    "/etc/service/web/finish:2 unknownUser nosuch",
    "/etc/service/web/run:2 unknownGroup nosuch",
  ]);
});

Deno.test("a user that is known, or only known later, is no problem", () => {
  for (
    const who of ["www-data", "1000", "1000:1000", "www-data:docker_env", "$USER", '"$USER"', "new"]
  ) {
    const files = { "/etc/my_init.d/x": "#!/bin/sh\nuseradd --system new\n" };
    assertEquals(ofRun(`#!/bin/sh\nexec setuser ${who} web\n`, files), [], who);
  }
  const ofLdap = {
    ...image({ "/etc/service/web/run": "#!/bin/sh\nexec setuser x y\n" }),
    users: undefined,
  };
  assertEquals(findProblems(ofLdap), []);
});

Deno.test("needs must be services, without a cycle", () => {
  const services = { "/etc/service/db/run": good, "/etc/service/web/run": good };
  assertEquals(kinds({ ...services, "/etc/service/web/needs": "# first\n\ndb # second\n" }), []);
  assertEquals(
    findProblems(image({ ...services, "/etc/service/web/needs": "dbb\n\nnosuch" }))
      .map((it) => it.kind === "unknownNeed" && [it.line, it.name, it.meant]),
    [[1, "dbb", undefined], [3, "nosuch", undefined]],
  );
  assertEquals(kinds({ ...services, "/etc/service/web/needs": "db\r\n" }), [
    "/etc/service/web/needs:1 windowsLineEnds",
  ]);
  const cycle = {
    ...services,
    "/etc/service/web/needs": "db\n",
    "/etc/service/db/needs": "\nweb\n",
  };
  assertEquals(
    findProblems(image(cycle)).map((it) => it.kind === "cycle" && [it.file, it.line, it.names]),
    [["/etc/service/web/needs", 1, ["db", "web", "db"]]],
  );
  assertEquals(kinds({ ...services, "/etc/service/web/needs": "web" }), [
    "/etc/service/web/needs:1 cycle",
  ]);
  const diamond = {
    ...services,
    "/etc/service/a/run": good,
    "/etc/service/b/run": good,
    "/etc/service/web/needs": "a\nb\n",
    "/etc/service/a/needs": "db\n",
    "/etc/service/b/needs": "db\n",
  };
  assertEquals(kinds(diamond), []);
});

Deno.test("a file that is called almost as one that has a meaning is a problem", () => {
  const names = [
    "Check",
    "finish.sh",
    "notification_fd",
    "kill_process_timeout",
    "crtiical",
    "need",
  ];
  for (const name of names) {
    const files = { "/etc/service/web/run": good, [`/etc/service/web/${name}`]: "x" };
    assertEquals(kinds(files), [`/etc/service/web/${name}: unknownFile`]);
  }
  for (const name of ["nginx.conf", "run.sh", "README", "main.py", "date"]) {
    const files = { "/etc/service/web/run": good, [`/etc/service/web/${name}`]: "x" };
    assertEquals(kinds(files), [], name);
  }
  assertEquals(
    kinds({
      "/etc/service/web/run": "#!/bin/sh\nexec ./check.sh\n",
      "/etc/service/web/check.sh": "x",
      "/etc/service/db/run": good,
      "/etc/service/db/check": good,
      "/etc/service/db/check.sh": "x",
    }),
    [],
  );
});

Deno.test("a setting that cannot be understood is a problem", () => {
  const settings: Record<string, [bad: string[], good: string[]]> = {
    KILL_PROCESS_TIMEOUT: [["", "soon"], ["5\n", "1.5", "2m"]],
    unhealthy: [["restart", "kill 3", "end 0"], ["restart 3\n", "end 1"]],
    backoff: [["", "0", "never"], ["60\n"]],
    give_up: [["5", "5 60", "0 in 60"], ["5 in 60\n"]],
    "notification-fd": [["", "2", "three", "sockets"], ["3\n", "socket\n"]],
    critical: [["no\n", "0", "false"], ["", "its end ends the container\n", "yes"]],
    down: [["off"], [""]],
    stop_last: [["no"], [""]],
  };
  for (const [name, [bad, fine]] of Object.entries(settings)) {
    const found = (text: string) =>
      kinds({ "/etc/service/web/run": good, [`/etc/service/web/${name}`]: text }).length;
    for (const text of bad) assertEquals(found(text), 1, `${name}: ${text}`);
    for (const text of fine) assertEquals(found(text), 0, `${name}: ${text}`);
  }
});

Deno.test("a table that cron ignores or refuses is a problem", () => {
  const job = "* * * * * root job\n";
  assertEquals(
    kinds({
      "/etc/cron.d/name.with.dots": job,
      "/etc/cron.d/old.disabled": job,
      "/etc/cron.d/writable": { text: job, mode: 0o664 },
      "/etc/cron.d/others": { text: job, mode: 0o646 },
      "/etc/cron.d/executable": { text: job, mode: 0o755 },
      "/etc/cron.d/owner": { text: job, uid: 33 },
      "/etc/cron.d/newline": `${job}* * * * * root job`,
      "/etc/cron.d/comment": `${job}# the end`,
      "/etc/cron.d/windows": "* * * * * root job\r\n",
      "/etc/cron.d/no-user": "A=b\n* * * * * /usr/bin/job --all\n",
      "/etc/cron.d/short": "* * * * *\n",
      "/etc/cron.d/unknown-user": "@daily nosuch job\n",
      "/etc/crontab": "* * * * * nosuch job\n",
      "/etc/cron.daily/backup.sh": "#!/bin/sh\njob\n",
    }),
    [
      "/etc/cron.d/name.with.dots: cronName",
      "/etc/cron.d/newline:2 cronNoNewline",
      "/etc/cron.d/no-user:2 cronNoUser",
      "/etc/cron.d/others: cronWritable",
      "/etc/cron.d/owner: cronOwner",
      "/etc/cron.d/short:1 cronNoUser",
      "/etc/cron.d/unknown-user:1 cronUnknownUser",
      "/etc/cron.d/windows:1 windowsLineEnds",
      "/etc/cron.d/writable: cronWritable",
      "/etc/cron.daily/backup.sh: cronName",
      "/etc/crontab:1 cronUnknownUser",
    ],
  );
});

Deno.test("a file of the environment whose name is none of a variable is a problem", () => {
  assertEquals(
    kinds({ "/etc/container_environment/my-name": "x", "/etc/container_environment/A_1": "x" }),
    ["/etc/container_environment/my-name: variableName"],
  );
});

Deno.test("what is not asked for, or may not be read, is no problem", () => {
  const broken = image({ "/etc/my_init.d/x": "#!/bin/nosuch\n", "/etc/service/web/run": "#!/x\n" });
  assertEquals(findProblems({ ...broken, startup: undefined, services: false }), []);
  const unread: Partial<Node> = { text: undefined, mode: 0o700 };
  assertEquals(kinds({ "/etc/service/web/run": unread, "/etc/my_init.d/x": unread }), []);
});

Deno.test("no script stops the parser, or makes it run for ever", () => {
  const pieces = [
    "if",
    "then",
    "fi",
    "case",
    "in",
    "esac",
    "(",
    ")",
    "{",
    "}",
    "'",
    '"',
    "`",
    "$(",
  ];
  pieces.push(
    "\n",
    ";",
    ";;",
    "&",
    "|",
    "<<E",
    ">",
    "\\",
    "#",
    "[[",
    "((",
    "f()",
    "x",
    "function",
    "for",
    "do",
  );
  let seed = 1;
  const random = (below: number) => (seed = seed * 48271 % 2147483647) % below;
  for (let round = 0; round < 5_000; round++) {
    const words = Array.from({ length: random(12) }, () => pieces[random(pieces.length)]);
    parseShell("#!/bin/sh\n" + words.join(random(2) ? " " : ""));
  }
});

Deno.test("a finding is one line, whatever is in a file's name, and JSON is UTF-8", () => {
  const finding = { severity: "error", file: "/a\nb\x1b", problem: "p", remedy: "r" } as const;
  assertEquals(toLine({ ...finding, line: 3 }), "/a?b?:3: error: p; r");
  assertEquals(toJson([]), "[]\n");
  const [found] = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(
    Uint8Array.from(toJson([{ ...finding, file: "/\xc3\xa4\xff" }]), (it) => it.charCodeAt(0)),
  ));
  assertEquals(found.file, "/ä\ufffd");
});
