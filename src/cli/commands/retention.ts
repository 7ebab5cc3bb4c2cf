import { OperatorError } from '../../shared/operator-error.ts';
import { declareCommand } from '../command.ts';
import { forEachServer } from '../for-each-server.ts';

export const retentionCommand = declareCommand({
  name: 'retention',
  summary: 'Show which backups and which WAL stay and go under the retention policy, and why; deletes nothing',
  servers: 'many',
  options: [
    {
      name: 'policy',
      kind: 'text',
      metavar: 'policy',
      summary: 'try another policy: "REDUNDANCY n", or "RECOVERY WINDOW OF n DAYS" (WEEKS, MONTHS)',
    },
  ],
  examples: ['retention main', 'retention --policy "RECOVERY WINDOW OF 4 WEEKS" main'],
  async run({ application, servers, options }) {
    const { parseRetentionPolicy } = await import('../../retention/retention-policy.ts');
    const { explainRetention } = await import('../../operations/deletion/explain-retention.ts');
    const { renderRetention } = await import('../../output/render-retention.ts');
    const text = options.text('policy');
    const trial = text === undefined ? undefined : parseRetentionPolicy(text);
    if (text !== undefined && trial === undefined) {
      throw new OperatorError('configuration-invalid', `'${text}' is not a retention policy`, {
        hint: 'write REDUNDANCY n, or RECOVERY WINDOW OF n DAYS (or WEEKS, MONTHS)',
      });
    }
    await forEachServer(servers, application, async (server) => {
      application.writer.print(renderRetention(await explainRetention(server, trial, application.context)));
    });
  },
});
