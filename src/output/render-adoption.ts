import type { AdoptedServer, AdoptionPlan } from '../operations/server/adopt-barman.ts';

/** `adopt-barman`: what there is, what is different on it, what is missing, and the commands of the switch and of the way back. */
export function renderAdoption({ facts, files, commands, toSwitch, toGoBack }: AdoptionPlan): readonly string[] {
  const { configurationPath, owner, home, servers, cronLines, differences, missing } = facts;
  const different = [...differences, ...servers.flatMap(({ name, differences: own }) => own.map((text) => `${name}: ${text}`))];
  return [
    'Found:',
    `    ${configurationPath}: home ${home} of the user ${owner}`,
    ...servers.map((server) => `    ${serverLine(server)}`),
    ...cronLines.map(({ path, text }) => `    ${path}: ${text}`),
    ...listed('Different from Barman on this configuration:', different, 'nothing'),
    ...listed('Missing:', missing, 'nothing'),
    ...listed('--apply writes, and changes nothing else:', [
      ...files.flatMap(({ path, text }) =>
        text
          .trim()
          .split('\n')
          .filter((line) => !/^[#[]/.test(line))
          .map((line) => `${path}: ${line}`),
      ),
      ...commands.map((argv) => `and runs ${argv.join(' ')}`),
    ]),
    ...listed('To switch, as root:', toSwitch),
    ...listed('To go back, as root:', toGoBack),
  ];
}

function serverLine({ name, method, wal, backups, receiverPid }: AdoptedServer): string {
  const receiver = receiverPid === undefined ? '' : `, a receiver runs as process ${String(receiverPid)}`;
  const ways = wal.length === 0 ? 'no WAL' : `WAL by ${wal.join(' and ')}`;
  return `${name}: ${String(backups)} backups by ${method}, ${ways}${receiver}`;
}

function listed(heading: string, lines: readonly string[], nothing?: string): readonly string[] {
  if (lines.length === 0 && nothing === undefined) return [];
  return ['', heading, ...(lines.length === 0 ? [nothing ?? ''] : lines).map((line) => `    ${line}`)];
}
