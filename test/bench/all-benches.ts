import { backupBench } from './bench-backup.ts';
import { backupRsyncBench } from './bench-backup-rsync.ts';
import { catalogBench } from './bench-catalog.ts';
import { cronBench } from './bench-cron.ts';
import { restoreBench } from './bench-restore.ts';
import { startBench } from './bench-start.ts';
import { walBench } from './bench-wal.ts';
import type { Bench } from './measure.ts';

/** Every subject of `npm run bench`, in the order in which they run. */
export const allBenches: readonly Bench[] = [
  startBench,
  catalogBench,
  cronBench,
  walBench,
  backupBench,
  backupRsyncBench,
  restoreBench,
];
