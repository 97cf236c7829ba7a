export { qrModules, qrUri } from '@design/qr'
