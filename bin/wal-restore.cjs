'use strict';
require('./run-helper.cjs')('restore', process.env.PGCELLAR_CALLED_AS ?? 'pgcellar-wal-restore', __filename);
