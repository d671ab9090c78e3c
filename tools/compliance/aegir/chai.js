import { expect, use } from 'chai'
import chaiAsPromised from 'chai-as-promised'
import chaiBites from 'chai-bites'

/** The words that the suites call: `expect(list).to.be.empty()`. */
const CALLED = ['empty', 'exist', 'false', 'rejected', 'true']

use(chaiAsPromised)
// After chai-as-promised, whose waiting assertions are called, too.
use(({ Assertion }) => {
  for (const word of CALLED) Assertion.overwriteProperty(word, callable)
})
use(chaiBites)

export { expect }

/** Asserts when it is read, as chai does; what is read can be called, and goes on either way. */
function callable(assert) {
  return function read() {
    assert.call(this)
    return Object.setPrototypeOf(() => this, this)
  }
}
