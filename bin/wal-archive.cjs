'use strict';
require('./run-helper.cjs')('archive', process.env.PGCELLAR_CALLED_AS ?? 'pgcellar-wal-archive', __filename);
