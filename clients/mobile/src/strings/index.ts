import { account } from './account'
import { catalogue } from './catalogue'
import { common } from './common'
import { consultation } from './consultation'
import { patient } from './patient'
import { room } from './room'

/** Every text of the app, in simplified Chinese. */
export const zh = {
  common,
  ...account,
  ...catalogue,
  ...patient,
  ...consultation,
  ...room,
} as const
