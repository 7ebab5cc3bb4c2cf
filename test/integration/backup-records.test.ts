// What a record says about a cluster, beside the real Barman's: every method, from the oldest version to the newest.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeEachPostgres, describeWithOracle } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import { configureRsync, type RsyncStage, setRsyncStage } from '../helpers/rsync-stage.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { runWell } from '../helpers/run-well.ts';
import { stableFields } from '../helpers/stable-fields.ts';

describeWithOracle('beside the real Barman', () => {
  describeEachPostgres(
    (major) => {
      const opened = new Opened();
      let stage: RsyncStage;
      beforeAll(async () => {
        stage = await setRsyncStage(major, opened);
      });
      afterAll(async () => opened.close());

      const newest = async () =>
        (await runWell(['list-backups', '--minimal', 'main'], { home: stage.home })).split('\n')[0] ?? '';
      const fieldsOf = async (id: string) => await stableFields(stage.home.server('main', 'meta', `${id}-backup.info`));

      test.each(['postgres', 'rsync', 'local-rsync'])(
        'a backup by %s differs in time, place in WAL and size only',
        async (method) => {
          const { home } = stage;
          await configureRsync(stage, { backup_method: method, parallel_jobs: 2 });
          await runWell(['backup', '--name', 'alike', 'main'], { home });
          const ours = await newest();
          await new Promise((resolve) => setTimeout(resolve, 1100)); // their ids count seconds too, and they do not look for a free one
          expect(await runOracle(['backup', '--name', 'alike', 'main'], { home })).toMatchObject({ exitCode: 0 });
          const theirs = await newest();
          expect(theirs).not.toBe(ours);
          expect(await fieldsOf(ours)).toEqual(await fieldsOf(theirs));
        },
      );
    },
    [13, 18],
  );
});
