import { declareCommand } from '../command.ts';

export const checkArchivedWalRangeCommand = declareCommand({
  name: 'check-archived-wal-range',
  summary: 'List the WAL segments of a range that are not in the archive',
  servers: 'one',
  arguments: [
    { name: 'begin_wal', summary: 'first segment' },
    { name: 'end_wal', summary: 'last segment' },
  ],
  examples: ['check-archived-wal-range main 000000010000000000000010 000000010000000000000020'],
  async run({ application, servers: [server], positionals: [begin = '', end = ''] }) {
    if (server === undefined) return;
    const { checkWalRange, parseWalRange } = await import('../../operations/wal/check-wal-range.ts');
    const { name } = server.config;
    const range = parseWalRange(begin, end);
    application.writer.print({ lines: [`Server ${name}:`], json: { [name]: { begin_wal: range.begin, end_wal: range.end } } });
    application.context.messages.debug(`checking the WAL range ${range.begin}..${range.end}`);
    const { missing } = await checkWalRange(server, range);
    const count = String(missing.length);
    const outcome = `\tWAL sequence check for server ${name}:`;
    const lines =
      missing.length === 0
        ? [`${outcome} all segments are present`]
        : [`${outcome} ${count} missing segment(s):`, ...missing.map((segment) => `\t\t${segment}`)];
    application.writer.print({ lines, json: { [name]: { missing_wals: [...missing] } } });
    if (missing.length > 0) {
      application.context.messages.error(
        `WAL sequence check failed for server '${name}': ${count} missing segment(s) in range ${range.begin}..${range.end}`,
      );
    }
  },
});
