import { assert, assertEquals } from "@std/assert";
import { type Container, derive, startContainer } from "../support/container.ts";
import { until } from "../support/until.ts";

const answers = (container: Container, command: string, text: string) =>
  until(async () => (await container.exec("sh", "-c", command)).stdout.includes(text), 30);

Deno.test("PostgreSQL as a service is stopped cleanly, and needs no recovery at its next start", async () => {
  await using database = await derive(
    `
    RUN install_clean postgresql && pg_lsclusters -h
    COPY run /etc/service/postgresql/run
    CMD ["/sbin/my_init"]
  `,
    {
      run: `#!/bin/bash
        read -r version cluster _ < <(pg_lsclusters -h)
        install -d -o postgres -g postgres "/var/run/postgresql/$version-$cluster.pg_stat_tmp"
        exec /sbin/setuser postgres "/usr/lib/postgresql/$version/bin/postgres" \\
          -D "/var/lib/postgresql/$version/$cluster" \\
          -c config_file="/etc/postgresql/$version/$cluster/postgresql.conf" \\
          >>/var/log/postgresql/service.log 2>&1
      `.replace(/\n {8}/g, "\n"),
    },
  );
  await using container = await startContainer([], { from: database.name });
  const psql = "setuser postgres psql -Atc";
  await answers(container, `${psql} 'select 41 + 1'`, "42");
  await container.sh(`${psql} 'create table t as select generate_series(1, 10000)'`);
  assertEquals(await container.stop(), 0);
  const { stderr } = await container.logs();
  assert(!stderr.includes("in time"), stderr);
  await container.restart();
  await answers(container, `${psql} 'select count(*) from t'`, "10000");
  const log = await container.sh("cat /var/log/postgresql/service.log");
  assert(log.includes("database system is shut down"), log);
  assert(!/not properly shut down|recovery/.test(log), log);
});

Deno.test("a web server and a cache run as two services of one image", async () => {
  await using image = await derive(
    `
    RUN install_clean nginx-light memcached
    COPY web /etc/service/web/run
    COPY cache /etc/service/cache/run
    CMD ["/sbin/my_init"]
  `,
    {
      web: "#!/bin/sh\nexec nginx -g 'daemon off;'\n",
      cache: "#!/bin/sh\nexec /sbin/setuser memcache /usr/bin/memcached\n",
    },
  );
  await using container = await startContainer([], { from: image.name });
  await answers(container, "curl -s http://127.0.0.1/", "nginx");
  const ask = "exec 3<>/dev/tcp/127.0.0.1/11211; echo version >&3; read -r line <&3; echo $line";
  await answers(container, `bash -c '${ask}'`, "VERSION");
  await container.sh("pkill -x memcached");
  await answers(container, `bash -c '${ask}'`, "VERSION");
  assertEquals(await container.stop(), 0);
});
