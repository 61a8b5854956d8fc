// The precision of convolutions.
#pragma once

namespace engine {

// Whether float32 convolutions between many channels multiply in bfloat16.
void setReducedConvolutions(bool on);
bool reducedConvolutions();

}  // namespace engine
