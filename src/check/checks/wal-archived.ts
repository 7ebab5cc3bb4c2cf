import type { Check, CheckFacts, CheckTools } from '../check.ts';
import { fetchFirstWal } from '../first-wal.ts';
import { mendedBy, type NamedRemedy } from '../remedies.ts';
import { failed } from '../verdict.ts';

/** Some WAL was archived, or can be now. Archives what waits when there is none yet. */
export const walArchived: Check = {
  name: 'WAL archive',
  appliesTo: 'every',
  isCritical: true,
  about: 'WAL that arrives',
  meaning:
    'Nothing was archived yet. The check closes and archives a first segment itself where a receiver or an archive_command could bring it.',
  remedies: ['first-segment-streamed', 'first-segment-shipped', 'takes-nothing-in', 'wal-index-broken', 'lock-folder-unusable'],
  isShownOnlyWhenFailed: true,
  async run(facts, tools) {
    if (!(await facts.wal.read()).isEmpty) return undefined;
    if (facts.backups.some(({ status }) => status === 'WAITING_FOR_WALS')) return undefined;
    if (mayTakeIn(facts) && (await takesIn(facts, tools))) return undefined;
    return failed('please make sure WAL shipping is setup', shippingRemedy(facts));
  },
};

/** An inactive, passive or disabled server takes nothing in. */
function mayTakeIn({ server: { config } }: CheckFacts): boolean {
  return config.isActive && !config.isPassive && config.problems.length === 0;
}

async function takesIn(facts: CheckFacts, tools: CheckTools): Promise<boolean> {
  await tools.archivePending();
  if (!(await facts.wal.readAgain()).isEmpty) return true;
  return await fetchFirstWal(facts, tools);
}

function shippingRemedy(facts: CheckFacts): NamedRemedy {
  const { layout, config } = facts.server;
  if (!mayTakeIn(facts)) return mendedBy('takes-nothing-in');
  if (config.options.streaming_archiver) return mendedBy('first-segment-streamed');
  return mendedBy('first-segment-shipped', { incoming: layout.incoming });
}
