import { type ByteString } from "../posix/bytes.ts";
import { baseName, type Invocation } from "./commands.ts";
import { type Image } from "./image.ts";

/**
 * A program that goes to the background, where runsv takes it for ended. All patterns look at the arguments with a space
 * before and behind each. One with `leaves` stays in the foreground unless that matches; others leave unless `stays` does.
 */
interface Daemon {
  names: RegExp;
  stays?: RegExp;
  leaves?: RegExp;
  /** Its configuration: the argument that names it, or where it is; and which lines keep it there, or send it away. */
  configuration?: { option?: RegExp; files?: RegExp; stays?: RegExp; leaves?: RegExp };
  remedy: string;
}

/** Where programs look for their configuration when the command names none. */
export const CONFIGURATIONS: readonly ByteString[] = [
  "/etc/nginx/nginx.conf",
  "/etc/dnsmasq.conf",
  "/etc/vsftpd.conf",
  "/etc/supervisor/supervisord.conf",
  "/etc/php5/fpm/php-fpm.conf",
  ...["5.6", "7.0", "7.1", "7.2", "7.3", "7.4", "8.0", "8.1", "8.2", "8.3", "8.4", "8.5"]
    .map((version) => `/etc/php/${version}/fpm/php-fpm.conf`),
];

/** Arguments with which a program only prints something and ends. */
const ONLY_SHOWS = / (--help|--version|-V|-t|-T) |^ -[hv] $/;

const DAEMONS: readonly Daemon[] = [
  {
    names: /^nginx$/,
    stays: / daemon +off *;/,
    configuration: {
      option: / -c ?(\S+)/,
      files: /^\/etc\/nginx\/nginx\.conf$/,
      stays: /^\s*daemon\s+off\s*;/m,
    },
    remedy: "add -g 'daemon off;'",
  },
  {
    names: /^(apache2|httpd|apache2ctl|apachectl)$/,
    stays: / (-D ?(FOREGROUND|NO_DETACH)|-X|-f|-k (graceful-)?stop|configtest|-l|-L|-S|-M) /,
    remedy: "add -DFOREGROUND",
  },
  { names: /^sshd$/, stays: / -\w*[Ddi]\w* /, remedy: "add -D" },
  { names: /^(cron|crond)$/, stays: / -\w*[fnx]/, remedy: "add -f" },
  { names: /^rsyslogd$/, stays: / -\w*[nN]/, remedy: "add -n" },
  {
    names: /^syslog-ng$/,
    stays: / (-\w*[Fs]\w*|--foreground|--syntax-only) /,
    remedy: "add --foreground",
  },
  { names: /^named$/, stays: / -\w*[fg]/, remedy: "add -f" },
  { names: /^ntpd$/, stays: / -\w*[nqd]|--(nofork|quit)/, remedy: "add -n" },
  { names: /^chronyd$/, stays: / -\w*[dnqQp]/, remedy: "add -d" },
  {
    names: /^php(-fpm[\d.]*|[\d.]+-fpm)$/,
    stays: / (-\w*[FimO]\w*|--nodaemonize|--info|--modules) /,
    configuration: {
      option: / (?:-y|--fpm-config)[ =]?(\S+)/,
      files: /^\/etc\/php.*\/php-fpm\.conf$/,
      stays: /^\s*daemonize\s*=\s*(no|off|0|false)/im,
    },
    remedy: "add -F",
  },
  {
    names: /^postfix$/,
    leaves: / (start|reload) /,
    remedy: "use postfix start-fg, or on 16.04 exec /usr/lib/postfix/sbin/master -d",
  },
  {
    names: /^dovecot$/,
    stays: / (-\w*[Fnap]\w*|--(hostdomain|build-options)|stop|reload) /,
    remedy: "add -F",
  },
  {
    names: /^vsftpd$/,
    leaves: / -obackground=YES /i,
    configuration: {
      option: /^ (?!-)(\S+)/,
      files: /^\/etc\/vsftpd\.conf$/,
      leaves: /^background=YES/im,
    },
    remedy: "set background=NO in its configuration",
  },
  {
    names: /^haproxy$/,
    stays: / (-db|-Ws|-Ds|-c) /,
    leaves: / -D /,
    configuration: { option: / -f ?(\S+)/, leaves: /^\s*daemon\s*(#.*)?$/m },
    remedy: "take -D and the line daemon of its configuration away, or add -db",
  },
  {
    names: /^redis-(server|sentinel)$/,
    stays: / --daemonize no /,
    leaves: / --daemonize yes /,
    configuration: { option: /^ (?!-)(\S+)/, leaves: /^\s*daemonize\s+yes/m },
    remedy: "add --daemonize no",
  },
  { names: /^memcached$/, leaves: / (-[vrMkA]*d[vrMkA]*|--daemon) /, remedy: "take -d away" },
  {
    names: /^mongo[ds]$/,
    leaves: / --fork /,
    configuration: { option: / (?:-f|--config)[ =]?(\S+)/, leaves: /^\s*fork\s*[:=]\s*true/m },
    remedy: "take --fork, or fork in its configuration, away",
  },
  { names: /^(mysqld|mariadbd)$/, leaves: / (--daemonize|-D) /, remedy: "take --daemonize away" },
  {
    names: /^supervisord$/,
    stays: / (-\w*n\w*|--nodaemon) /,
    configuration: {
      option: / (?:-c|--configuration)[ =]?(\S+)/,
      files: /^\/etc\/supervisor\/supervisord\.conf$/,
      stays: /^\s*nodaemon\s*=\s*(true|1|yes|on)/im,
    },
    remedy: "add -n",
  },
  {
    names: /^dnsmasq$/,
    stays: / (-\w*[kd]\w*|--keep-in-foreground|--no-daemon|--test) /,
    configuration: {
      option: / (?:-C|--conf-file)[ =]?(\S+)/,
      files: /^\/etc\/dnsmasq\.conf$/,
      stays: /^\s*keep-in-foreground/m,
    },
    remedy: "add --keep-in-foreground",
  },
  {
    names: /^(smbd|nmbd|winbindd)$/,
    stays: / (-\w*[Fib]\w*|--(foreground|interactive|build-options)) /,
    remedy: "add --foreground",
  },
  { names: /^squid3?$/, stays: / (-\w*[NkzR]|--foreground)/, remedy: "add -N" },
  { names: /^slapd$/, stays: / -d/, remedy: "add -d 0" },
  { names: /^snmpd$/, stays: / -f/, remedy: "add -f" },
  {
    names: /^proftpd$/,
    stays: / (-\w*n\w*|--nodaemon|--configtest|-l) /,
    remedy: "add --nodaemon",
  },
  { names: /^atd$/, stays: / -\w*[fds]/, remedy: "add -f" },
  { names: /^xinetd$/, stays: / (-dontfork|-d) /, remedy: "add -dontfork" },
  { names: /^varnishd$/, stays: / -\w*[FdCx]/, remedy: "add -F" },
  { names: /^lighttpd$/, stays: / -\w*[Dp]/, remedy: "add -D" },
  {
    names: /^monit$/,
    stays: / (-\w*I\w*|start|stop|status|summary|reload|quit|validate|-g \S+) /,
    remedy: "add -I",
  },
  { names: /^rpcbind$/, stays: / -\w*[fd]/, remedy: "add -f" },
  { names: /^acpid$/, stays: / (-\w*[fd]|--foreground|--debug)/, remedy: "add -f" },
  { names: /^exim4?$/, leaves: / -bd /, remedy: "use -bdf instead of -bd" },
  { names: /^gunicorn3?$/, leaves: / (-D|--daemon) /, remedy: "take --daemon away" },
  { names: /^uwsgi$/, leaves: / (-d|--daemonize)/, remedy: "take --daemonize away" },
  { names: /^unicorn(_rails)?$/, leaves: / (-D|--daemonize) /, remedy: "take -D away" },
  { names: /^mosquitto$/, leaves: / (-d|--daemon) /, remedy: "take -d away" },
  { names: /^openvpn$/, leaves: / --daemon /, remedy: "take --daemon away" },
  { names: /^(autossh|ssh)$/, leaves: / -f /, remedy: "take -f away" },
  { names: /^catalina\.sh$/, leaves: / start /, remedy: "use run instead of start" },
  { names: /^zkServer\.sh$/, leaves: / start /, remedy: "use start-foreground instead of start" },
  { names: /^pg_ctl$/, leaves: / (start|restart) /, remedy: "run postgres itself" },
  {
    names: /^pg_ctlcluster$/,
    stays: / --foreground /,
    leaves: / (start|restart) /,
    remedy: "add --foreground",
  },
  { names: /^start-stop-daemon$/, leaves: / (-b|--background) /, remedy: "take --background away" },
  {
    names: /^(service|invoke-rc\.d|systemctl)$/,
    leaves: / (start|restart) /,
    remedy: "run the program itself, in the foreground",
  },
];

/** Says what keeps a program in the foreground, if it goes to the background; undefined if it does not, or that is not known. */
export function goesToBackground(
  image: Image,
  { program, args }: Invocation,
): string | undefined {
  if (program === undefined) return undefined;
  const line = ` ${args.map(({ text }) => text).join(" ")} `;
  if (/^\/etc\/init\.d\//.test(program)) {
    return / (start|restart) /.test(line) ? "run the program itself, in the foreground" : undefined;
  }
  if (!/^([^/]+|.*\/s?bin\/[^/]+)$/.test(program)) return undefined; // A script that is called as the program is.
  const daemon = DAEMONS.find(({ names }) => names.test(baseName(program)));
  if (!daemon || daemon.stays?.test(line)) return undefined;
  if (daemon.leaves?.test(line)) return daemon.remedy;
  // An argument that is known only when it is run may say anything.
  if (!args.every(({ literal }) => literal)) return undefined;
  if (!daemon.leaves && ONLY_SHOWS.test(line)) return undefined;
  const { configuration } = daemon;
  if (!configuration) return daemon.leaves ? undefined : daemon.remedy;
  const named = configuration.option?.exec(line)?.[1];
  const texts = named === undefined
    ? Object.keys(image.nodes).filter((it) => configuration.files?.test(it))
      .flatMap((it) => image.nodes[it].text ?? [])
    : [image.nodes[named]?.text ?? []].flat();
  if (texts.length === 0) return undefined; // It may say anything.
  const { stays, leaves } = configuration;
  const isForeground = leaves
    ? !texts.some((text) => leaves.test(text))
    : texts.some((text) => stays?.test(text));
  return isForeground ? undefined : daemon.remedy;
}

/** Says what to run instead of a program that ignores TERM, and so the stop of its service. */
export function ignoresTerm({ program }: Invocation): string | undefined {
  return program !== undefined && /^(mysqld|mariadbd)(_safe|-safe)$/.test(baseName(program))
    ? "exec mysqld --user=mysql instead"
    : undefined;
}
