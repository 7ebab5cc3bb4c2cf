import { type ConninfoKeyword, conninfoKeywordList } from '../src/postgres/conninfo-keywords.ts';

const introduction = `# Connection strings

This page is made from \`src/postgres/conninfo-keywords.ts\` by \`npm run docs\`; do not edit it.

\`conninfo\`, \`streaming_conninfo\`, \`primary_conninfo\`, \`wal_conninfo\` and \`wal_streaming_conninfo\` are connection strings of libpq, in both of
its forms: \`host=db1 user=pgcellar dbname=postgres\` and \`postgresql://pgcellar@db1/postgres\`. Each wish in one is honoured as libpq does, or
the attempt ends with the keyword's name before anything is sent. A keyword that libpq 18 does not have, and a value that it does not take,
is refused as \`psql\` refuses it. Client programs of an older version refuse keywords that are newer than they are.

- What the string does not say comes from its service, then from the environment of pgcellar, then from the default below. Under cron and
  systemd that environment is small: what matters belongs into the string, a service or a password file.
- Several hosts (\`host=a,b port=5432,5433\`), and the addresses of one name, are tried in their order until one answers that
  \`target_session_attrs\` lets pass. As in libpq a server that was reached and refuses the login ends the search; one that starts, stops or
  does not answer in \`connect_timeout\` seconds does not.
- The host that answered first serves the whole command: \`streaming_conninfo\` goes there as far as it names that host and port, too, and
  \`pg_basebackup\` and \`pg_receivewal\` are given that host alone. \`conninfo\` chooses. A backup is refused when both strings reach different
  nodes: \`target_session_attrs\` belongs into \`conninfo\`.
- A pooler has to give a backup one session from its begin to its end: \`pool_mode = session\` of pgbouncer. Others are refused.
- Passwords, \`sslpassword\` and the other secrets never stand in the arguments of a program.

| keyword | environment | default | treatment | |
| --- | --- | --- | --- | --- |
`;

const treatments = { honoured: 'honoured', refused: 'refused', programs: 'handed to the programs only' } as const;

/** The page docs/connection-strings.md: every keyword of libpq with what becomes of it. */
export function connectionStringReference(): string {
  return `${introduction}${conninfoKeywordList.map((row) => rowOf(...row)).join('')}`;
}

function rowOf(key: string, { variable, byDefault, treatment, meaning }: ConninfoKeyword): string {
  const cells = [
    `\`${key}\``,
    variable ?? '',
    byDefault === undefined ? '' : `\`${byDefault}\``,
    treatments[treatment],
    meaning,
  ];
  return `| ${cells.join(' | ')} |\n`;
}
