import { type ConninfoKeyword, conninfoKeywordList } from '../src/postgres/conninfo-keywords.ts';

const introduction = `# Connection strings

This page is made from \`src/postgres/conninfo-keywords.ts\` by \`npm run docs\`; do not edit it.

\`conninfo\`, \`streaming_conninfo\`, \`primary_conninfo\`, \`wal_conninfo\` and \`wal_streaming_conninfo\` are connection strings of libpq, in both of
its forms: \`host=db1 user=pgcellar dbname=postgres\` and \`postgresql://pgcellar@db1/postgres\`. pgcellar follows libpq for each keyword, or it ends the
attempt with the name of the keyword before it sends anything. Keywords and values that libpq 18 does not take are refused as \`psql\` refuses
them. Client programs of an older version refuse keywords that are newer than they are.

- A parameter that the string leaves out comes from its service, then from the environment of pgcellar, then from the default below. Under cron and
  systemd that environment is small: put important parameters into the string, a service or a password file.
- Several hosts (\`host=a,b port=5432,5433\`), and the addresses of one name, are tried in order until one answers that
  \`target_session_attrs\` accepts. As in libpq, a server that refuses the login ends the search; a server that starts, stops or does not answer in
  \`connect_timeout\` seconds does not.
- The host that answers first serves the whole command. \`streaming_conninfo\` goes there, too, if it names that host and port, and
  \`pg_basebackup\` and \`pg_receivewal\` get that host alone. \`conninfo\` decides. A backup is refused when both strings reach different
  nodes: put \`target_session_attrs\` into \`conninfo\`.
- A pooler must give a backup one session from begin to end: \`pool_mode = session\` of pgbouncer. Others are refused.
- Passwords, \`sslpassword\` and the other secrets are never in the arguments of a program.

| keyword | environment | default | treatment | |
| --- | --- | --- | --- | --- |
`;

const treatments = { honoured: 'honoured', refused: 'refused', programs: 'handed to the programs only' } as const;

/** The page docs/connection-strings.md: every keyword of libpq and how pgcellar treats it. */
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
